// Links: the greeting, probes, and the chain that travels on them.
//
// A link is established once the chain names its peer as a member's queen and the peer's HELLO has come.

import { peerIdFromString } from '@libp2p/peer-id'
import { equal, random } from './keys.js'

const MISSED_AT_MOST = 3

const now = () => BigInt(Date.now())

export class Links {
  #links = new Map()
  #bootNonce = random(16)

  // `onEstablished(peer, hello)`, `onGrown()` after new blocks, `onDrift(peer)` when two probes show another root.
  constructor ({ self, network, lanes, state, tell, onEstablished, onGrown, onDrift }) {
    Object.assign(this, { self, network, lanes, state, chain: state.chain, tell, onEstablished, onGrown, onDrift })
    network.addEventListener('peer:connect', ({ detail }) => this.#begin(detail.toString()))
    network.addEventListener('peer:disconnect', ({ detail }) => this.#links.delete(detail.toString()))
    this.handlers = {
      HELLO: (peer, hello) => this.#onHello(peer, hello),
      PING: (peer, ping) => this.#onPing(peer, ping),
      PONG: (peer, pong) => this.#onPong(peer, pong),
      CHAIN_REQUEST: (peer, request) => this.#onChainRequest(peer, request),
      CHAIN_BLOCKS: (peer, answer) => this.#onChainBlocks(peer, answer)
    }
    for (const peer of network.getPeers()) this.#begin(peer.toString())
  }

  get established () {
    return [...this.#links.values()].filter(({ established }) => established).map(({ peer }) => peer)
  }

  #begin (peer) {
    const link = { peer, greeted: false, hello: undefined, established: false, nonce: 0n, missed: 0, strange: 0 }
    this.#links.set(peer, link)
    const [connection] = this.network.getConnections(peerIdFromString(peer))
    if (connection.direction === 'outbound' || this.#known(link)) this.#greet(link)
  }

  #known ({ peer }) {
    return this.chain.membership.memberAt(peer)
  }

  #greet (link) {
    if (link.greeted) return
    link.greeted = true
    const { swarm, term, name, software } = this.self
    const theirs = this.#known(link)
    const log = theirs && this.state.log(theirs.swarm, BigInt(theirs.term))
    const yours = log?.seq > 0n ? { swarm: log.swarm, term: log.term, seq: log.seq, head: log.hash } : null
    this.lanes.send(link.peer, 'HELLO', {
      protocol_version: 1n,
      federation: this.chain.federation,
      swarm,
      term,
      boot_nonce: this.#bootNonce,
      epoch: this.chain.height,
      height: this.chain.height,
      state_root: this.state.root,
      wall_ms: now(),
      yours,
      name,
      software
    })
  }

  #refuse (link, code, reason) {
    this.lanes.send(link.peer, 'REFUSAL', { code, reason })
    this.tell('refused', { peer: link.peer, code })
    return this.network.hangUp(peerIdFromString(link.peer))
  }

  #onHello (peer, hello) {
    const link = this.#links.get(peer)
    const member = this.#known(link)
    if (!equal(hello.federation, this.chain.federation)) return this.#refuse(link, 'other-federation', 'not ours')
    if (member !== undefined && !equal(member.swarm, hello.swarm)) throw new Error('HELLO of another swarm')
    link.hello = hello
    this.tell('hello', { peer, ...hello })
    if (hello.height > this.chain.height) this.#askForBlocks(link)
    else if (member === undefined) return this.#refuse(link, 'not-a-member', 'the chain does not name this peer')
    this.#greet(link)
    return this.#settle(link)
  }

  #settle (link) {
    if (link.established || link.hello === undefined || this.#known(link) === undefined) return
    link.established = true
    this.tell('established', { peer: link.peer })
    this.onEstablished(link.peer, link.hello)
  }

  // ---- the chain

  #askForBlocks ({ peer }) {
    this.lanes.send(peer, 'CHAIN_REQUEST', { from_height: this.chain.height + 1n, leaps: 0, pass_not: null })
  }

  #onChainRequest (peer, { from_height: from }) {
    this.tell('chain request', { peer, from })
    this.lanes.send(peer, 'CHAIN_BLOCKS', { height: this.chain.height, blocks: this.chain.blocksFrom(from) })
  }

  #onChainBlocks (peer, { height, blocks }) {
    const link = this.#links.get(peer)
    for (const record of blocks) {
      const kinds = this.chain.append(record)
      if (kinds) this.tell('block', { height: this.chain.height, kinds, state_hash: this.chain.membership.stateHash })
    }
    if (height > this.chain.height && blocks.length > 0) this.#askForBlocks(link)
    for (const each of this.#links.values()) {
      if (this.#known(each)) this.#greet(each)
      this.#settle(each)
    }
    this.onGrown()
  }

  // ---- probes

  turn () {
    for (const link of this.#links.values()) {
      if (link.established) this.#probe(link)
    }
  }

  #probe (link) {
    if (link.missed >= MISSED_AT_MOST) return this.network.hangUp(peerIdFromString(link.peer))
    link.missed += 1
    link.nonce += 1n
    return this.lanes.send(link.peer, 'PING', this.#ping(link.nonce))
  }

  #ping (nonce) {
    return { nonce, wall_ms: now(), height: this.chain.height, state_root: this.state.root }
  }

  #onPing (peer, ping) {
    const link = this.#links.get(peer)
    this.lanes.send(link.peer, 'PONG', this.#ping(ping.nonce))
    this.#compare(link, ping)
  }

  #onPong (peer, pong) {
    const link = this.#links.get(peer)
    if (pong.nonce !== link.nonce) return
    link.missed = 0
    this.#compare(link, pong)
  }

  #compare (link, { height, state_root: root }) {
    if (height > this.chain.height) this.#askForBlocks(link)
    link.strange = equal(root, this.state.root) ? 0 : link.strange + 1
    if (link.strange >= 2 && link.established) this.onDrift(link.peer)
  }
}
