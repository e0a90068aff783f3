// Hashes, Ed25519 and the ids that follow from keys. Signatures are libsodium's, so that all judge them alike.

import { createHash, randomBytes } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import sodium from 'libsodium-wrappers'

await sodium.ready

export const ZEROS = new Uint8Array(32)

export const random = (count) => new Uint8Array(randomBytes(count))
export const utf8 = (text) => new TextEncoder().encode(text)
export const hex = (bytes) => Buffer.from(bytes).toString('hex')
export const unhex = (text) => new Uint8Array(Buffer.from(text, 'hex'))
export const concat = (...parts) => new Uint8Array(Buffer.concat(parts))
export const compare = (a, b) => Buffer.compare(a, b)
export const equal = (a, b) => compare(a, b) === 0
export const sha256 = (...parts) => new Uint8Array(parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest())
export const tagged = (name, ...parts) => sha256(utf8(`${name}\0`), ...parts)

export function u64 (value) {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

export class KeyPair {
  constructor (seed) {
    const { publicKey, privateKey } = sodium.crypto_sign_seed_keypair(seed)
    this.seed = seed
    this.public = publicKey
    this.sign = (message) => sodium.crypto_sign_detached(message, privateKey)
  }
}

export const verifies = (signature, message, key) => sodium.crypto_sign_verify_detached(signature, message, key)

export const swarmId = (rootKey) => tagged('zenmesh/swarm', rootKey).subarray(0, 16)

const PEER_ID_PREFIX = unhex('002408011220')
const base58 = (bytes) => base58btc.encode(bytes).slice(1) // without the multibase letter

export const peerId = (nodeKey) => base58(concat(PEER_ID_PREFIX, nodeKey))
export const unbase58 = (text) => base58btc.decode(`z${text}`)
