// Positional arrays as records: a layout is a list of [field, type], as the tables of the documents write them.
//
//     const Credit = record([['messages', int(1, 8)]])
//     Credit.decode(Credit.encode({ messages: 4 }))      // { messages: 4 }
//
// A type has `read` (from a CBOR value) and `write` (to one). `uint` is a BigInt on the inside, `int` a Number.

import { decode, encode } from './cbor.js'

const LARGEST = 2n ** 63n - 1n

const must = (fits, what) => {
  if (!fits) throw new Error(`layout: not ${what}`)
}

// A type whose inside and outside are the same; `fits` judges both ways.
const plain = (what, fits) => {
  const check = (value) => {
    must(fits(value), what)
    return value
  }
  return { read: check, write: check }
}

const isInteger = (value) => typeof value === 'bigint' || Number.isSafeInteger(value)
const toUint = (value) => {
  must(isInteger(value) && value >= 0 && value <= LARGEST, 'a uint')
  return BigInt(value)
}

export const uint = { read: toUint, write: toUint }
export const int = (low, high) => plain(`int ${low}…${high}`, (value) => Number.isSafeInteger(value) && value >= low && value <= high)
export const bool = plain('a bool', (value) => typeof value === 'boolean')

export const bytes = (least, most = least) =>
  plain(`bytes ${least}…${most}`, (value) => value instanceof Uint8Array && value.length >= least && value.length <= most)

export const text = (least, most) =>
  plain(`text ${least}…${most}`, (value) => typeof value === 'string' && [...value].length >= least && [...value].length <= most)

export const nullable = ({ read, write }) => ({
  read: (value) => (value === null ? null : read(value)),
  write: (value) => (value === null ? null : write(value))
})

export const list = ({ read, write }, most, least = 0) => {
  const each = (convert) => (values) => {
    must(Array.isArray(values) && values.length >= least && values.length <= most, `a list of ${least}…${most}`)
    return values.map(convert)
  }
  return { read: each(read), write: each(write) }
}

// `closed`: no element may follow. `defaults`: the values of the last fields, which may be left out.
export function record (fields, { closed = false, defaults = [] } = {}) {
  const fewest = fields.length - defaults.length
  const read = (array) => {
    must(Array.isArray(array) && array.length >= fewest && !(closed && array.length > fields.length), `an array of ${fields.length}`)
    return Object.fromEntries(fields.map(([name, type], index) =>
      [name, index < array.length ? type.read(array[index]) : defaults[index - fewest]]))
  }
  const write = (object) => fields.map(([name, type]) => type.write(object[name]))
  return { read, write, encode: (object) => encode(write(object)), decode: (data) => read(decode(data)) }
}
