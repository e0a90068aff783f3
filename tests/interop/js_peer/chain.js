// The chain as this peer holds it: it judges each block by itself, from the genesis on.

import { verifiesDetached } from './cose.js'
import { readGenesis } from './certificates.js'
import { equal, sha256 } from './keys.js'
import { bytes, list, record, uint } from './layout.js'
import { Membership } from './membership.js'
import { apply } from './transactions.js'

const closed = { closed: true }
const hash = bytes(32)
const Block = record([
  ['height', uint], ['epoch', uint], ['parent_hash', hash], ['time_ms', uint], ['prev_state_hash', hash],
  ['txs', list(bytes(1, 65536), 1024, 1)]
], closed)
const Certificate = record(
  [['core', bytes(1, 256)], ['signers', bytes(1, 128)], ['signatures', list(bytes(64), 1024, 1)]], closed)
const Core = record(
  [['federation', hash], ['epoch', uint], ['view', uint], ['height', uint], ['block_hash', hash]], closed)

const CREATOR_ALONE = new Uint8Array([1])

const must = (holds, what) => {
  if (!holds) throw new Error(`block: ${what}`)
}

export class Chain {
  constructor (sealedGenesis) {
    this.sealedGenesis = sealedGenesis
    this.genesis = readGenesis(sealedGenesis)
    this.federation = this.genesis.federation
    this.membership = new Membership(this.genesis)
    this.records = [] // {block, certificate, hash}, from height 1 on
    this.time = undefined
  }

  get height () {
    return BigInt(this.records.length)
  }

  hashAt (height) {
    return height === 0n ? this.federation : this.records[Number(height) - 1].hash
  }

  // Appends the block that follows; false when it is one that we have. Throws, and changes nothing, when it is bad.
  append ({ block, certificate }) {
    const { height, epoch, parent_hash: parent, time_ms: timeMs, prev_state_hash: before, txs } = Block.decode(block)
    const blockHash = sha256(block)
    if (height <= this.height) {
      must(equal(this.hashAt(height), blockHash), `another one at height ${height}`)
      return false
    }
    must(height === this.height + 1n && epoch === this.height, 'not the next one')
    must(equal(parent, this.hashAt(this.height)), 'another parent')
    must(this.time === undefined || timeMs > this.time, 'its time does not advance')
    must(equal(before, this.membership.stateHash), 'another state before it')
    const after = this.membership.copy()
    const at = { timeMs, height: this.height, hashAt: (place) => this.hashAt(place) }
    const kinds = txs.map((tx) => apply(tx, after, at))
    this.#checkCertificate(certificate, { epoch, height, blockHash }, after)
    this.membership = after
    this.time = timeMs
    this.records.push({ block, certificate, hash: blockHash })
    return kinds
  }

  // The creator alone certifies: with the key it has after the block, which is another only when the block brings it.
  #checkCertificate (certificate, { epoch, height, blockHash }, after) {
    const { core, signers, signatures } = Certificate.decode(certificate)
    const said = Core.decode(core)
    must(equal(said.federation, this.federation) && equal(said.block_hash, blockHash), 'certificate of another block')
    must(said.epoch === epoch && said.height === height, 'certificate of another height')
    must(equal(signers, CREATOR_ALONE) && signatures.length === 1, 'not certified by the creator alone')
    const { creator, aad } = after
    const key = after.queenKey(creator, after.swarm(creator).term)
    must(verifiesDetached('commit', core, signatures[0], key, aad), 'its certificate does not verify')
  }

  blocksFrom (height) {
    const first = height > 0n ? Number(height) - 1 : 0
    return this.records.slice(first, first + 256).map(({ block, certificate }) => ({ block, certificate, state: null }))
  }

}

