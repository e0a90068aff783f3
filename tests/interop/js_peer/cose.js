// Signed statements: COSE_Sign1 with one algorithm, one header layout, and the federation as external data.

import { decode, encode } from './cbor.js'
import { concat, equal, utf8, verifies } from './keys.js'

const TAG = 0xd2
const EDDSA = -8
const [ALG, CONTENT_TYPE, KID] = [1, 3, 4]

const contentType = (name) => `application/zenmesh.${name}+cbor;v=1`
const header = (name, kid) => encode(new Map([[ALG, EDDSA], [CONTENT_TYPE, contentType(name)], [KID, kid]]))
const signed = (head, aad, payload) => encode(['Signature1', head, aad, payload])

export const aadOf = (federation) => concat(utf8('zenmesh/1\0'), federation)
export const GENESIS_AAD = aadOf(utf8('genesis'))

export function seal (name, payload, key, aad) {
  const head = header(name, key.public)
  return concat(Uint8Array.of(TAG), encode([head, {}, payload, key.sign(signed(head, aad, payload))]))
}

// The payload and the signer of an envelope that verifies; whether that signer may say it is the caller's question.
export function open (name, envelope, aad) {
  if (envelope[0] !== TAG) throw new Error('envelope: no tag 18')
  const [head, unprotected, payload, signature, ...rest] = decode(envelope.subarray(1))
  if (rest.length > 0 || Object.keys(unprotected).length > 0) throw new Error('envelope: not its form')
  const kid = decode(head, { maps: true }).get(KID)
  if (kid?.length !== 32 || !equal(head, header(name, kid))) throw new Error(`envelope: not the header of a ${name}`)
  if (signature.length !== 64 || !verifies(signature, signed(head, aad, payload), kid)) {
    throw new Error('envelope: the signature does not verify')
  }
  return { payload, kid }
}

export function openBy (name, envelope, aad, key) {
  const { payload, kid } = open(name, envelope, aad)
  if (!equal(kid, key)) throw new Error(`envelope: a ${name} signed by another key`)
  return payload
}

// A detached signature over a payload that travels elsewhere: that of a commit certificate.
export function verifiesDetached (name, payload, signature, key, aad) {
  return verifies(signature, signed(header(name, key), aad, payload), key)
}
