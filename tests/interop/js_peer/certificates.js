// What is signed off the chain and judged by it: certificates, tickets, joins, the genesis.

import { decode } from './cbor.js'
import { GENESIS_AAD, aadOf, open, openBy, seal } from './cose.js'
import { KeyPair, ZEROS, equal, peerId, sha256, swarmId, unbase58 } from './keys.js'
import { bytes, int, list, record, text, uint } from './layout.js'

export const envelope = bytes(1, 16384)
const hash = bytes(32)
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/
const YEAR_MS = 365n * 24n * 3600n * 1000n

const Backup = record([['key', hash], ['peer', text(40, 64)], ['rank', uint], ['not_after_ms', uint]], { closed: true })
const Certificate = record([
  ['federation', hash], ['swarm', bytes(16)], ['name', text(0, 64)], ['project', text(0, 128)], ['root_key', hash],
  ['term', int(1, 2 ** 31 - 1)], ['queen_key', hash], ['queen_peer', text(40, 64)], ['addresses', list(text(1, 255), 16)],
  ['backups', list(Backup, 8)], ['weight', int(1, 1000000)], ['not_after_ms', uint]
], { closed: true })

const oneOf = (...words) => {
  const check = (value) => {
    if (!words.includes(value)) throw new Error(`layout: none of ${words}`)
    return value
  }
  return { read: check, write: check }
}
const Params = record([
  ['admission', oneOf('open', 'ticket', 'vote')], ['quorum', oneOf('auto', 'byzantine')],
  ['profile', oneOf('lan', 'spec', 'wan')], ['max_unvouched_per_inviter', int(0, 1000)],
  ['entries_per_owner', int(1, 10000000)], ['bytes_per_owner', int(1024, 2 ** 40)]
], { closed: true, defaults: ['ticket', 'auto', 'lan', 3, 10000, 4194304] })
const Genesis = record([
  ['version', int(1, 1)], ['name', text(0, 64)], ['params', Params], ['members', list(envelope, 1, 1)], ['created_ms', uint]
], { closed: true })

const Anchor = record([['epoch', uint], ['height', uint], ['block_hash', hash]], { closed: true })
const Ticket = record([
  ['grant', envelope], ['seed', hash], ['addresses', list(text(1, 255), 16)], ['anchor', Anchor], ['federation_name', text(0, 64)]
])
const Grant = record([
  ['federation', hash], ['ticket_id', bytes(16)], ['ticket_key', hash], ['expires_ms', uint], ['inviter', bytes(16)],
  ['inviter_term', uint]
], { closed: true })

export function readCertificate (sealed, aad, federation) {
  const { payload, kid } = open('member-cert', sealed, aad)
  const cert = Certificate.decode(payload)
  if (!equal(cert.root_key, kid)) throw new Error('certificate: not signed by its root key')
  if (!equal(cert.swarm, swarmId(kid))) throw new Error('certificate: not the swarm of its root key')
  if (!equal(cert.federation, federation)) throw new Error('certificate: for another federation')
  if (!NAME.test(cert.name)) throw new Error('certificate: no name of a swarm')
  return cert
}

export function readGenesis (sealed) {
  const { payload, kid } = open('genesis', sealed, GENESIS_AAD)
  const genesis = Genesis.decode(payload)
  const creator = readCertificate(genesis.members[0], GENESIS_AAD, ZEROS)
  if (!equal(kid, creator.root_key)) throw new Error('genesis: not signed by its creator')
  return { ...genesis, creator, federation: sha256(sealed) }
}

export function makeCertificate (federation, { root, queen, node, name, project }) {
  const body = {
    federation, swarm: swarmId(root.public), name, project, root_key: root.public, term: 1, queen_key: queen.public,
    queen_peer: peerId(node.public), addresses: [], backups: [], weight: 1, not_after_ms: BigInt(Date.now()) + YEAR_MS
  }
  return seal('member-cert', Certificate.encode(body), root, aadOf(federation))
}

const CHECKSUM = 4

export function readTicket (line) {
  const packed = unbase58(line.replace(/\s/g, '').replace(/^zm1/, ''))
  const body = packed.subarray(0, -CHECKSUM)
  if (!equal(sha256(body).subarray(0, CHECKSUM), packed.subarray(-CHECKSUM))) throw new Error('ticket: cut or mistyped')
  const ticket = Ticket.decode(body)
  const unread = decode(ticket.grant.subarray(1))[2] // names the federation that its own signature covers
  const { federation } = Grant.decode(unread)
  open('ticket', ticket.grant, aadOf(federation))
  return { ...ticket, federation, key: new KeyPair(ticket.seed) }
}

export function readGrant (sealed, federation, queenKeyOf) {
  const { payload, kid } = open('ticket', sealed, aadOf(federation))
  const grant = Grant.decode(payload)
  if (!equal(grant.federation, federation)) throw new Error('grant: for another federation')
  const queenKey = queenKeyOf(grant.inviter, grant.inviter_term)
  if (queenKey === undefined || !equal(kid, queenKey)) throw new Error('grant: not by its inviter')
  return grant
}

export const makeJoin = (ticket, certificate) =>
  seal('join', sha256(certificate), ticket.key, aadOf(ticket.federation))

export function checkJoin (sealed, grant, certificate) {
  const payload = openBy('join', sealed, aadOf(grant.federation), grant.ticket_key)
  if (!equal(payload, sha256(certificate))) throw new Error('join: for another certificate')
}

