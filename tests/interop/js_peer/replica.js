// The logs on the move: batches that arrive, sessions that fetch and serve, and what this peer writes itself.

import { equal } from './keys.js'
import { describe, put } from './log.js'
import { Session } from './sync.js'

const PAUSE_MS = 1000
const STALE_MS = 30_000

const row = ({ swarm, term, seq, hash: head }) => ({ swarm, term, seq, head })

export class Replica {
  #sessions = new Map() // peer → {session, since}
  #nonce = 0n

  constructor ({ self, home, lanes, state, tell, onSynced }) {
    Object.assign(this, { self, home, lanes, state, chain: state.chain, tell, onSynced, contradiction: undefined })
    this.handlers = {
      BATCH: (peer, batch) => this.take(batch, 'mesh', peer),
      HELD: (peer, { rows }) => tell('held', { peer, rows })
    }
    for (const batch of home.batches) this.own.receive(state.authentic(batch))
  }

  get own () {
    return this.state.logOrNew(this.self.swarm, this.self.term)
  }

  // A batch from wherever it came; what its author's own link brought is acknowledged.
  take (encoded, via, peer) {
    const { outcome, batch } = this.state.receive(encoded)
    this.tell('batch', { via, outcome, ...(batch && describe(batch)) })
    if (outcome === 'gap' || outcome === 'held') this.openSession(peer)
    if (via === 'mesh' && batch !== undefined && outcome !== 'held') this.#acknowledge(peer, batch.header)
  }

  #acknowledge (peer, { swarm, term }) {
    const author = this.chain.membership.memberAt(peer)
    if (author !== undefined && equal(author.swarm, swarm)) {
      this.lanes.send(peer, 'HELD', { rows: [row(this.state.log(swarm, term))] })
    }
  }

  // ---- sessions

  #begin (peer) {
    this.#nonce += 1n
    const session = new Session({
      state: this.state,
      nonce: this.#nonce,
      send: (name, fields) => this.lanes.send(peer, name, fields),
      tell: (event, fields) => this.tell(event, { peer, ...fields })
    })
    this.#sessions.set(peer, { session, since: Date.now() })
    return session
  }

  openSession (peer) {
    const last = this.#sessions.get(peer)
    const age = Date.now() - (last?.since ?? 0)
    if (age < PAUSE_MS || (last !== undefined && !last.session.over && age < STALE_MS)) return
    this.#begin(peer).open()
  }

  hearSync (peer, name, fields) {
    let { session } = this.#sessions.get(peer) ?? {}
    if (session === undefined || session.over) {
      if (name !== 'SYNC_HELLO' || fields.answers !== 0n) return // left over from a session that is over
      session = this.#begin(peer)
    }
    session.receive(name, fields)
    if (!session.over) return
    this.tell('synced', { peer, root: this.state.root })
    this.onSynced()
  }

  // ---- writing

  // What a member says that it holds of our log; more than we know of forbids us to sign.
  checkOwn (yours) {
    if (yours === null) return
    const { seq, hash } = this.own
    if (yours.seq > seq || (yours.seq === seq && !equal(yours.head, hash))) this.contradiction = yours
  }

  // Durable first, then known here; the caller sends it.
  write (key, value) {
    if (this.contradiction !== undefined) throw new Error('others hold more of this log than we do')
    const { federation, aad } = this.chain.membership
    const batch = this.own.write([put(key, value)], this.home.queen, { federation, aad })
    this.home.append(batch)
    this.own.receive(this.state.authentic(batch))
    return batch
  }
}
