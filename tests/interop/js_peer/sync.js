// One anti-entropy session with one peer, as a state machine: messages in, messages out through `send`.
//
// It fetches batches and whole states, and serves batches. Forks and repairs by tree are for peers that do more.

import { describe, entryOf } from './log.js'
import { equal, compare } from './keys.js'

const CREDIT = 8
const CREDIT_BACK = 4
const SMALL = 256 * 1024

const DATA = new Set(['SYNC_BATCHES', 'SYNC_SNAPSHOT', 'SYNC_ENTRIES'])

export class Session {
  // `state` is what we hold, `send(name, fields)` says something, `tell(what, fields)` reports to whom it may concern.
  constructor ({ state, nonce, send, tell }) {
    Object.assign(this, { state, nonce, send, tell, peerNonce: 0n, said: false, heard: false })
    this.#startOver()
  }

  #startOver () {
    Object.assign(this, { credit: CREDIT, taken: 0, wants: [], outbox: [], staged: undefined, said: false, heard: false })
  }

  get over () {
    return this.said && this.heard
  }

  open (answers = 0n) {
    const { chain, root, rows } = this.state
    this.send('SYNC_HELLO', { nonce: this.nonce, answers, epoch: chain.height, height: chain.height, root, rows })
  }

  receive (name, body) {
    if (name !== 'SYNC_HELLO' && this.peerNonce === 0n) return // left over from a session before this one
    if (DATA.has(name)) this.#countTaken()
    const handler = HANDLERS[name]
    if (handler === undefined) throw new Error(`sync: ${name} was not asked for`)
    handler.call(this, body)
    this.#flush()
    if (this.wants.length === 0 && !this.said && this.outbox.length === 0) this.#bye()
  }

  onHello ({ nonce, answers, rows }) {
    if (nonce === this.peerNonce || (answers !== 0n && answers !== this.nonce)) return
    if (this.peerNonce !== 0n) this.#startOver()
    this.peerNonce = nonce
    this.tell('sync hello', { answers: answers !== 0n, rows })
    if (answers !== this.nonce) this.open(nonce)
    this.wants = rows.filter((row) => this.#lacks(row)).map((row) => this.#want(row))
    if (this.wants.length > 0) this.send('SYNC_WANT', { wants: this.wants })
  }

  #lacks ({ swarm, term, seq, hash }) {
    if (this.state.chain.membership.queenKey(swarm, term) === undefined) return false
    const log = this.state.log(swarm, term)
    return log === undefined || seq > log.seq || (seq === log.seq && !equal(hash, log.hash))
  }

  #want ({ swarm, term }) {
    const { seq, hash } = this.state.logOrNew(swarm, term)
    return { swarm, term, seq, hash, anew: false, stream: true, after: new Uint8Array(0) }
  }

  #answered (count) {
    if (BigInt(this.wants.length) < count) throw new Error('sync: more answers than wants')
    this.wants.splice(0, Number(count))
  }

  onBatches ({ batches, answered }) {
    for (const encoded of batches) {
      const { outcome, batch } = this.state.receive(encoded)
      this.tell('batch', { via: 'sync', outcome, ...(batch && describe(batch)) })
    }
    this.#answered(answered)
  }

  onSnapshot ({ head, entries, streamed }) {
    if (!streamed || this.wants.length === 0) throw new Error('sync: a snapshot without its entries')
    this.staged = { header: this.state.authenticHeader(head), expected: entries, entries: [] }
  }

  onEntries ({ last, entries }) {
    const { header, expected, entries: staged } = this.staged
    staged.push(...entries.map(entryOf))
    if (staged.some(({ path }, index) => index > 0 && compare(staged[index - 1].path, path) >= 0)) {
      throw new Error('sync: entries do not ascend')
    }
    if (!last) return
    this.state.logOrNew(header.swarm, header.term).install(header, staged)
    this.tell('snapshot', { header, entries: expected })
    this.staged = undefined
    this.#answered(1n)
  }

  onWant ({ wants }) {
    for (const want of wants) this.outbox.push(...this.#answers(want))
  }

  // A log is served from its batches; one whose batches are not at hand counts as not held.
  #answers ({ swarm, term, seq }) {
    const log = this.state.log(swarm, term)
    const batches = log !== undefined && log.seq >= seq ? log.after(seq) ?? [] : []
    const shares = [[]]
    for (const batch of batches) {
      const share = shares.at(-1)
      if (share.length > 0 && share.reduce((sum, { length }) => sum + length, batch.length) > SMALL) shares.push([batch])
      else share.push(batch)
    }
    this.tell('sync served', { swarm, term, after: seq, batches: batches.length })
    return shares.map((share, index) => ({ batches: share, answered: index === shares.length - 1 ? 1n : 0n }))
  }

  #flush () {
    for (; this.credit > 0 && this.outbox.length > 0; this.credit--) this.send('SYNC_BATCHES', this.outbox.shift())
  }

  onCredit ({ messages }) {
    if (this.credit + messages > CREDIT) throw new Error('sync: more credit than there is')
    this.credit += messages
  }

  #countTaken () {
    this.taken += 1
    if (this.taken < CREDIT_BACK) return
    this.send('SYNC_CREDIT', { messages: this.taken })
    this.taken = 0
  }

  #bye () {
    this.said = true
    this.send('SYNC_BYE', { nonce: this.nonce })
  }

  onBye ({ nonce }) {
    if (nonce === this.peerNonce) this.heard = true
  }
}

const HANDLERS = {
  SYNC_HELLO: Session.prototype.onHello,
  SYNC_WANT: Session.prototype.onWant,
  SYNC_BATCHES: Session.prototype.onBatches,
  SYNC_SNAPSHOT: Session.prototype.onSnapshot,
  SYNC_ENTRIES: Session.prototype.onEntries,
  SYNC_CREDIT: Session.prototype.onCredit,
  SYNC_BYE: Session.prototype.onBye
}
