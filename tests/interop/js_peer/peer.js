// A member of a federation, put together: it joins, greets, follows the chain, takes and serves logs, and speaks up.
//
// Everything is driven by messages and one timer. `tell(event, fields)` reports what happens.

import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { beAdmitted } from './admission.js'
import { Chain } from './chain.js'
import { Gossip } from './gossip.js'
import { equal, hex, swarmId, utf8 } from './keys.js'
import { Lanes } from './lanes.js'
import { Links } from './links.js'
import { LEARNER, STATES } from './membership.js'
import { Replica } from './replica.js'
import { State } from './state.js'
import { judge, rejectedMutants, say } from './statements.js'
import { makePromote } from './transactions.js'

const PERIOD_MS = 1000
const PROMOTE_EVERY = 2 // periods
const EARLY_AT_MOST = 64
const SOUGHT_AT_MOST = 64
const SOFTWARE = 'zenmesh-js-peer/1'

export class Peer {
  #discoveries = new Map() // newest envelope by swarm id in hex
  #early = [] // those of swarms that the chain does not name yet
  #turns = 0
  #synced = false
  #handlers = { REFUSAL: (peer, refusal) => this.tell('refusal', { peer, ...refusal }) }

  constructor ({ home, network, name, project, tell }) {
    Object.assign(this, { home, network, name, project, tell })
    this.self = { swarm: swarmId(home.root.public), term: 1n, name, software: SOFTWARE }
    this.onOffence = (peer, error) => tell('offence', { peer, reason: error.message })
    this.lanes = new Lanes(network, { onMessage: (...said) => this.#hear(...said), onOffence: this.onOffence })
  }

  async start () {
    await this.lanes.register()
    if (this.home.genesis !== undefined) this.#belong(this.home.genesis)
  }

  // ---- joining

  async join (ticket, address) {
    const ask = async (request) => {
      const { remotePeer, encryption, multiplexer } = await this.network.dial(multiaddr(address))
      const peer = remotePeer.toString()
      this.tell('connected', { peer, encryption, multiplexer })
      const answer = new Promise((resolve) => { this.#handlers.JOIN_RESPONSE = (_, response) => resolve(response) })
      this.lanes.send(peer, 'JOIN_REQUEST', request)
      return answer
    }
    const genesis = await beAdmitted({ ...this, ticket, ask })
    this.home.genesis = genesis
    this.#belong(genesis)
  }

  #belong (genesis) {
    this.chain = new Chain(genesis)
    this.state = new State(this.chain)
    const { self, home, network, lanes, state, tell, onOffence } = this
    this.replica = new Replica({ self, home, lanes, state, tell, onSynced: () => { this.#synced = true } })
    this.links = new Links({
      self,
      network,
      lanes,
      state,
      tell,
      onEstablished: (peer, hello) => this.#established(peer, hello),
      onGrown: () => this.#grown(),
      onDrift: (peer) => this.replica.openSession(peer)
    })
    const onMessage = (publisher, name, payload) => this.#gossiped(publisher, name, payload)
    this.gossip = new Gossip({ pubsub: network.services.pubsub, state, onMessage, onOffence, tell })
    Object.assign(this.#handlers, this.links.handlers, this.replica.handlers, {
      DISCOVERY: (_, envelope) => this.#discovered(envelope, 'mesh'),
      SEEK: (peer, seek) => this.#sought(peer, seek)
    })
    setInterval(() => this.#turn(), PERIOD_MS)
  }

  #hear (peer, name, fields) {
    if (name.startsWith('SYNC_') && this.chain !== undefined) this.replica.hearSync(peer, name, fields)
    else this.#handlers[name]?.(peer, fields)
  }

  // ---- belonging

  #turn () {
    this.#turns += 1
    this.links.turn()
    const { established } = this.links
    if (established.length > 0) this.#seek(established[this.#turns % established.length])
    const me = this.chain.membership.swarm(this.self.swarm)
    if (this.#synced && me?.state === LEARNER && this.#turns % PROMOTE_EVERY === 0) this.#askForPromotion()
  }

  #askForPromotion () {
    const { chain, self, home } = this
    const creator = chain.membership.swarm(chain.membership.creator)
    const at = { height: chain.height, hash: chain.hashAt(chain.height) }
    const transaction = makePromote(chain.federation, self.swarm, home.queen, at)
    this.lanes.send(creator.terms.get(creator.term).peer, 'TX_SUBMIT', transaction)
  }

  #established (peer, hello) {
    this.replica.checkOwn(hello.yours)
    const own = this.#discoveries.get(hex(this.self.swarm))
    if (own !== undefined) this.lanes.send(peer, 'DISCOVERY', own)
    this.#seek(peer)
    this.replica.openSession(peer)
  }

  // Asks `peer` where those members are that there is no link to.
  #seek (peer) {
    const linked = new Set(this.network.getConnections().map(({ remotePeer }) => String(remotePeer)))
    const members = this.chain.membership.members
      .filter(({ swarm, terms, term }) => !equal(swarm, this.self.swarm) && !linked.has(terms.get(term).peer))
      .map(({ swarm }) => ({ swarm, timestamp_ms: this.#heardAt(swarm) }))
    if (members.length > 0) this.lanes.send(peer, 'SEEK', { members: members.slice(0, SOUGHT_AT_MOST) })
  }

  #sought (peer, { members }) {
    for (const { swarm, timestamp_ms: held } of members) {
      if (this.#heardAt(swarm) > held) this.lanes.send(peer, 'DISCOVERY', this.#discoveries.get(hex(swarm)))
    }
  }

  // The timestamp of the latest DISCOVERY of a swarm; 0 without one.
  #heardAt (swarm) {
    const envelope = this.#discoveries.get(hex(swarm))
    return envelope === undefined ? 0n : judge('DISCOVERY', envelope, this.state).timestamp_ms
  }

  #grown () {
    const members = this.chain.membership.members.map(({ name, state }) => ({ name, state: STATES[state] }))
    this.tell('members', { members })
    const early = this.#early
    this.#early = []
    for (const envelope of early) this.#discovered(envelope, 'mesh')
  }

  #discovered (envelope, via) {
    const said = judge('DISCOVERY', envelope, this.state)
    if (said === undefined) {
      this.#early = [...this.#early, envelope].slice(-EARLY_AT_MOST)
      return
    }
    const last = this.#discoveries.get(hex(said.swarm))
    const news = last === undefined || said.timestamp_ms > judge('DISCOVERY', last, this.state).timestamp_ms
    if (news) this.#discoveries.set(hex(said.swarm), envelope)
    this.tell('discovery', { via, news, ...said })
    if (news) this.#reach(said)
  }

  // Dials a member where it says it is, when there is no link to it.
  #reach ({ swarm, term, addresses }) {
    const { peer } = this.chain.membership.swarm(swarm).terms.get(Number(term))
    const places = addresses.filter((address) => address.endsWith(`/p2p/${peer}`)).map((address) => multiaddr(address))
    const linked = equal(swarm, this.self.swarm) || this.network.getConnections(peerIdFromString(peer)).length > 0
    if (places.length > 0 && !linked) this.network.dial(places).catch((error) => this.onOffence(peer, error))
  }

  #gossiped (publisher, name, payload) {
    const mutants = { bytes: payload.length, rejected: rejectedMutants(name, payload, this.state) }
    this.tell('gossip', { publisher, name, said: judge(name, payload, this.state), mutants })
    if (name === 'BATCH') this.replica.take(payload, 'gossip', publisher)
    if (name === 'DISCOVERY') this.#discovered(payload, 'gossip')
  }

  // ---- speaking

  // `quietly`: nothing is sent; others learn of it when they compare what they hold.
  async put (key, value, { quietly = false } = {}) {
    const batch = this.replica.write(key, utf8(JSON.stringify(value)))
    if (quietly) return
    for (const peer of this.links.established) this.lanes.send(peer, 'BATCH', batch)
    await this.gossip.publish('BATCH', batch)
  }

  // `by`: to each link on 'mesh', or to the topic's subscribers by 'gossip'; a peer at large does both.
  async announce (capabilities, by) {
    const { self, home, network, chain } = this
    const fields = {
      swarm: self.swarm,
      term: self.term,
      project_id: this.project,
      addresses: network.getMultiaddrs().map(String),
      capabilities,
      timestamp_ms: BigInt(Date.now())
    }
    const envelope = say('DISCOVERY', fields, home.queen, chain.membership.aad)
    this.#discoveries.set(hex(self.swarm), envelope)
    if (by === 'gossip') await this.gossip.publish('DISCOVERY', envelope)
    else for (const peer of this.links.established) this.lanes.send(peer, 'DISCOVERY', envelope)
  }
}
