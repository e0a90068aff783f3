// One author's log: ops, batches, and the state that they lead to.

import { decode, encode } from './cbor.js'
import { open, seal } from './cose.js'
import { ZEROS, equal, hex, sha256, tagged } from './keys.js'
import { bytes, int, list, nullable, record, text, uint } from './layout.js'
import { root } from './trie.js'

const hash = bytes(32)
const closed = { closed: true }

const KINDS = ['PUT', 'DEL', 'ADD', 'RM']
const [PUT, DEL, ADD, RM] = KINDS.keys()

const Op = record([
  ['collection', text(1, 64)], ['key', text(1, 128)], ['kind', int(0, 3)], ['value', nullable(bytes(0, 16384))],
  ['observed', list(list(uint, 3, 3), 256)]
], closed)
const Entry = record([['seq', uint], ['index', uint], ['hlc', uint], ['op', bytes(1, 16384)]], closed)
const Header = record([
  ['federation', hash], ['swarm', bytes(16)], ['term', uint], ['seq', uint], ['prev_hash', hash], ['hlc', uint],
  ['ops_hash', hash], ['state_root', hash]
], closed)
const Batch = record([['sealed', bytes(1, 1024)], ['ops', bytes(1, 256 * 1024)]], closed)
const Ops = list(bytes(1, 16384), 256, 1)

export function readOp (encoded) {
  const op = Op.decode(encoded)
  if ((op.value === null) !== (op.kind === DEL)) throw new Error('op: a value where none belongs, or none')
  if ([PUT, ADD].includes(op.kind) && op.observed.length > 0) throw new Error('op: observes and removes nothing')
  return op
}

// A batch as a person reads it; the memory holds texts.
export function describe ({ header, ops }) {
  const texts = ops.map(readOp).map(({ kind, value, ...op }) =>
    ({ ...op, kind: KINDS[kind], value: value && Buffer.from(value).toString() }))
  return { ...header, ops: texts }
}

export const put = (key, value) =>
  encode(Op.write({ collection: 'memory', key, kind: PUT, value, observed: [] }))

// A header proves itself by the key of its author; the caller says which key that is.
export function readHeader (sealed, aad) {
  const { payload, kid } = open('batch', sealed, aad)
  const header = Header.decode(payload)
  if (header.seq === 0n) throw new Error('batch: the first is 1')
  return { ...header, kid, hash: sha256(payload) }
}

export function readBatch (encoded, aad) {
  const { sealed, ops } = Batch.decode(encoded)
  const header = readHeader(sealed, aad)
  if (!equal(sha256(ops), header.ops_hash)) throw new Error('batch: its ops are not what it signed')
  return { header, ops: Ops.read(decode(ops)), encoded }
}

export const makeEntry = Entry.encode

export function entryOf (encoded) {
  const { op } = Entry.decode(encoded)
  const { collection, key, kind, value } = readOp(op)
  const address = kind === ADD || kind === RM ? [collection, key, value] : [collection, key]
  return { path: sha256(encode(address)), digest: tagged('zenmesh/entry', encoded), encoded }
}

function applyOps (entries, ops, { seq, hlc }) {
  const after = new Map(entries)
  ops.forEach((op, index) => {
    const { kind, observed } = readOp(op)
    const entry = entryOf(makeEntry({ seq, index: BigInt(index), hlc, op }))
    const removes = (kind === DEL || kind === RM) && observed.length === 0
    if (removes) after.delete(hex(entry.path))
    else after.set(hex(entry.path), entry)
  })
  return after
}

export class Log {
  constructor (swarm, term) {
    Object.assign(this, { swarm, term, seq: 0n, hash: ZEROS, hlc: 0n, root: root([]), entries: new Map(), batches: [] })
  }

  // What a batch does here: 'applied', 'duplicate', 'gap'; throws when it is wrong.
  receive ({ header, ops, encoded }) {
    if (header.seq <= this.seq) return 'duplicate'
    if (header.seq !== this.seq + 1n || !equal(header.prev_hash, this.hash)) return 'gap'
    if (header.hlc <= this.hlc) throw new Error('batch: its stamp does not advance')
    const entries = applyOps(this.entries, ops, header)
    if (!equal(root([...entries.values()]), header.state_root)) throw new Error('batch: another state root')
    this.batches.push(encoded)
    this.#become(header, entries)
    return 'applied'
  }

  // Replaces everything by a state that a signed header names.
  install (header, entries) {
    if (!equal(root(entries), header.state_root)) throw new Error('snapshot: another state root')
    this.batches = []
    this.#become(header, new Map(entries.map((entry) => [hex(entry.path), entry])))
  }

  #become (header, entries) {
    Object.assign(this, { seq: header.seq, hash: header.hash, hlc: header.hlc, root: header.state_root, entries })
  }

  // The next batch of this log, sealed by its author; not applied yet.
  write (ops, queen, { federation, aad }) {
    const wall = BigInt(Date.now()) * 65536n
    const stamp = { seq: this.seq + 1n, hlc: wall > this.hlc ? wall : this.hlc + 1n }
    const content = encode(ops)
    const header = Header.encode({
      federation,
      swarm: this.swarm,
      term: this.term,
      ...stamp,
      prev_hash: this.hash,
      ops_hash: sha256(content),
      state_root: root([...applyOps(this.entries, ops, stamp).values()])
    })
    return Batch.encode({ sealed: seal('batch', header, queen, aad), ops: content })
  }

  // The batches after `seq`, or undefined when not all of them are at hand.
  after (seq) {
    const first = Number(this.seq - seq)
    return first <= this.batches.length ? this.batches.slice(this.batches.length - first) : undefined
  }

}
