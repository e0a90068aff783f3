// Who belongs, at one height: swarms, their terms and keys, weights, used tickets, and the hash of it all.
//
// Transactions change it (transactions.js); a block applies its own to a copy, so that a bad one changes nothing.

import { encode } from './cbor.js'
import { aadOf } from './cose.js'
import { compare, hex, tagged } from './keys.js'

export const STATES = ['LEARNER', 'ACTIVE', 'LEFT']
export const [LEARNER, ACTIVE, LEFT] = STATES.keys()

const FEW = 3 // as long as there are no more, each weighs one

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

// Certified weights, cut until no swarm alone reaches a third.
export function cappedWeights (certified) {
  let weights = certified
  while (weights.length > FEW) {
    const cap = Math.floor((sum(weights) - 1) / 3)
    const largest = Math.max(...weights)
    if (largest <= cap) return weights
    if (largest === 1 || cap < 1) break
    weights = weights.map((weight) => Math.min(weight, Math.max(cap, largest - 1)))
  }
  return weights.map(() => 1)
}

export class Membership {
  constructor (genesis) {
    this.federation = genesis.federation
    this.aad = aadOf(genesis.federation)
    this.params = genesis.params
    this.creator = genesis.creator.swarm
    this.swarms = new Map() // by swarm id in hex
    this.tickets = [] // ids of used ones
    this.admit(genesis.creator, null)
    this.swarm(this.creator).state = ACTIVE
    this.weigh()
  }

  copy () {
    return Object.assign(Object.create(Membership.prototype), this, {
      tickets: [...this.tickets],
      swarms: new Map([...this.swarms].map(([id, swarm]) => [id, { ...swarm, terms: new Map(swarm.terms) }]))
    })
  }

  get members () {
    return [...this.swarms.values()].filter(({ state }) => state !== LEFT)
  }

  swarm (id) {
    return this.swarms.get(hex(id))
  }

  queenKey (id, term) {
    return this.swarm(id)?.terms.get(Number(term))?.queenKey
  }

  // The member whose current queen has this peer id.
  memberAt (peer) {
    return this.members.find((swarm) => swarm.terms.get(swarm.term).peer === peer)
  }

  admit (cert, inviter) {
    const terms = new Map(this.swarm(cert.swarm)?.terms)
    terms.set(cert.term, { queenKey: cert.queen_key, peer: cert.queen_peer, close: null })
    this.swarms.set(hex(cert.swarm), {
      swarm: cert.swarm,
      name: cert.name,
      project: cert.project,
      rootKey: cert.root_key,
      state: LEARNER,
      weight: 0,
      certifiedWeight: cert.weight,
      term: cert.term,
      terms,
      inviter,
      notAfterMs: cert.not_after_ms
    })
  }

  weigh () {
    const active = this.members.filter(({ state }) => state === ACTIVE)
    const certified = active.map(({ certifiedWeight }) => certifiedWeight)
    const weights = this.members.length <= FEW ? certified.map(() => 1) : cappedWeights(certified)
    this.swarms.forEach((swarm) => { swarm.weight = 0 })
    active.forEach((swarm, index) => { swarm.weight = weights[index] })
  }

  get stateHash () {
    const termRows = (terms) => [...terms]
      .sort(([one], [other]) => one - other)
      .map(([term, { queenKey, peer, close }]) => [term, queenKey, peer, close])
    const rows = [...this.swarms.values()].sort((a, b) => compare(a.swarm, b.swarm)).map((it) => [
      it.swarm, it.name, it.project, it.rootKey, it.state, it.weight, it.certifiedWeight, it.term, it.inviter,
      it.notAfterMs, termRows(it.terms)
    ])
    return tagged('zenmesh/membership', encode([this.params.quorum, rows, [...this.tickets].sort(compare)]))
  }
}
