// All logs that this peer holds, whom they belong to by the chain, and the roots that tell nodes apart.

import { readBatch, readHeader, Log } from './log.js'
import { compare, concat, equal, hex, tagged, u64 } from './keys.js'

const AHEAD_MS = 5000n
const LIVE = 0

const authorOf = (swarm, term) => `${hex(swarm)}/${term}`

const encodeRow = ({ swarm, term, seq, hash, root, flag }) =>
  concat(swarm, u64(term), u64(seq), hash, root, Uint8Array.of(flag))

export const federationRoot = (rows) => tagged('zenmesh/federation', ...rows.map(encodeRow))

export class State {
  constructor (chain) {
    this.chain = chain
    this.logs = new Map()
  }

  log (swarm, term) {
    return this.logs.get(authorOf(swarm, term))
  }

  logOrNew (swarm, term) {
    const author = authorOf(swarm, term)
    if (!this.logs.has(author)) this.logs.set(author, new Log(swarm, term))
    return this.logs.get(author)
  }

  // Is the header of the federation and by the queen key that the chain names? undefined: the chain names none.
  #vouched (header) {
    const { membership, federation } = this.chain
    if (!equal(header.federation, federation)) throw new Error('batch: of another federation')
    const key = membership.queenKey(header.swarm, header.term)
    if (key === undefined) return undefined
    if (!equal(key, header.kid)) throw new Error('batch: not signed by its author')
    return true
  }

  // A batch that is authentic, or undefined when nobody can judge it yet; throws when it is neither.
  authentic (encoded) {
    const batch = readBatch(encoded, this.chain.membership.aad)
    return this.#vouched(batch.header) && batch
  }

  authenticHeader (sealed) {
    const header = readHeader(sealed, this.chain.membership.aad)
    return this.#vouched(header) && header
  }

  // {outcome, batch}: applied, duplicate, gap or held.
  receive (encoded) {
    const batch = this.authentic(encoded)
    if (batch === undefined) return { outcome: 'held' }
    const { swarm, term, hlc } = batch.header
    if ((hlc >> 16n) > BigInt(Date.now()) + AHEAD_MS) return { outcome: 'held', batch }
    return { outcome: this.logOrNew(swarm, term).receive(batch), batch }
  }

  get rows () {
    return [...this.logs.values()]
      .filter(({ seq }) => seq > 0n)
      .sort((a, b) => compare(a.swarm, b.swarm) || Number(a.term - b.term))
      .map(({ swarm, term, seq, hash, root }) => ({ swarm, term, seq, hash, root, flag: LIVE }))
  }

  get root () {
    return federationRoot(this.rows)
  }
}
