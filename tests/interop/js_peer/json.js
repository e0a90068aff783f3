// Values as JSON shows them: bytes in hex, integers that a double cannot hold as decimal text.

import { hex } from './keys.js'

export function shown (_, value) {
  if (typeof value === 'bigint') return value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value)
  return value instanceof Uint8Array ? hex(value) : value
}
