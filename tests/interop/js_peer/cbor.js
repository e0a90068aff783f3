// Deterministic CBOR: what may be sent, and the refusal of everything else.
//
// A value is accepted only if encoding it again gives the same bytes. That one comparison covers shortest forms,
// definite lengths and the order of keys; floats, tags and `undefined` have no encoder here and so cannot pass it.
// Integers beyond 2^53 come as BigInt and go back as integers.

import { decode as read, encode as write, rfc8949EncodeOptions } from 'cborg'
import { equal } from './keys.js'

const DEEPEST = 16
const LEAST = -(2n ** 63n)

const refuse = (what) => () => {
  throw new Error(`CBOR: ${what} is not allowed`)
}

const OPTIONS = {
  ...rfc8949EncodeOptions,
  typeEncoders: {
    number: (value) => {
      if (!Number.isSafeInteger(value)) throw new Error(`CBOR: ${value} is no integer`)
      return null // the default encoder takes it
    },
    bigint: (value) => {
      if (value < LEAST) throw new Error(`CBOR: ${value} is below 64 bits`)
      return null
    },
    undefined: refuse('undefined')
  }
}

function depth (value) {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return 0
  const inside = value instanceof Map ? [...value.values()] : Object.values(value)
  return 1 + Math.max(0, ...inside.map(depth))
}

export function encode (value) {
  return write(value, OPTIONS)
}

export function decode (bytes, { maps = false } = {}) {
  const value = read(bytes, { useMaps: maps, rejectDuplicateMapKeys: true, allowIndefinite: false })
  if (depth(value) > DEEPEST) throw new Error('CBOR: nested too deeply')
  if (!equal(encode(value), bytes)) throw new Error('CBOR: not in deterministic form')
  return value
}
