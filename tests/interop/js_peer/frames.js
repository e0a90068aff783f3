// Lanes and frames: u32 length ‖ flag ‖ CBOR [message…], and each message CBOR [code, payload] in a byte string.

import { decompress } from 'fzstd'
import { decode, encode } from './cbor.js'
import { concat } from './keys.js'
import { bytes, int, list, record } from './layout.js'

const LARGEST_BODY = 4 * 1024 * 1024
const [PLAIN, ZSTD] = [0, 1]

const Message = record([['code', int(0, 65535)], ['payload', bytes(0, LARGEST_BODY)]], { closed: true })
const Content = list(bytes(1, LARGEST_BODY), 256, 1)

export const message = (code, payload) => Message.encode({ code, payload })
export const readMessage = Message.decode

export function frame (...messages) {
  const content = encode(Content.write(messages))
  const head = new Uint8Array(5)
  new DataView(head.buffer).setUint32(0, content.length + 1)
  head[4] = PLAIN
  return concat(head, content)
}

// A zstd frame has to say how much comes out of it: in one segment, or in a field of its own.
function inflate (content) {
  const [, , , , descriptor] = content
  const told = (descriptor & 0b1110_0000) !== 0
  if (!told) throw new Error('frame: its size is not told')
  const inflated = decompress(content)
  if (inflated.length > LARGEST_BODY) throw new Error('frame: too much in it')
  return inflated
}

function readBody (body) {
  const content = body.subarray(1)
  switch (body[0]) {
    case PLAIN: return Content.read(decode(content)).map(readMessage)
    case ZSTD: return Content.read(decode(inflate(content))).map(readMessage)
    default: throw new Error(`frame: flag ${body[0]}`)
  }
}

// The messages of a stream of chunks, however the chunks cut the frames.
export async function * readMessages (chunks) {
  let pending = new Uint8Array(0)
  for await (const chunk of chunks) {
    pending = concat(pending, chunk.subarray())
    while (pending.length >= 4) {
      const length = new DataView(pending.buffer).getUint32(0)
      if (length < 2 || length > LARGEST_BODY) throw new Error(`frame: a body of ${length} bytes`)
      if (pending.length < 4 + length) break
      yield * readBody(pending.subarray(4, 4 + length))
      pending = pending.slice(4 + length)
    }
  }
}
