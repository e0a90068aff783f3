// What a transaction may do to the membership. Each rule throws where it forbids.

import { checkJoin, envelope, readCertificate, readGrant } from './certificates.js'
import { aadOf, open, openBy, seal } from './cose.js'
import { equal } from './keys.js'
import { bool, bytes, int, nullable, record, uint } from './layout.js'
import { ACTIVE, LEARNER, LEFT } from './membership.js'

const RECENT = 8n // heights

const hash = bytes(32)
const swarmId = bytes(16)
const closed = { closed: true }
const Join = record(
  [['grant', nullable(envelope)], ['certificate', envelope], ['join', nullable(envelope)], ['approved', bool]],
  { closed: true, defaults: [false] }
)
const Promote = record([['swarm', swarmId], ['statement', envelope]], closed)
const PromoteWord = record([['federation', hash], ['swarm', swarmId], ['height', uint], ['block_hash', hash]], closed)
const Statement = record([['statement', envelope]], closed)
const BumpWord = record(
  [['federation', hash], ['certificate', envelope], ['close_seq', uint], ['close_hash', hash]], closed)
const LeaveWord = record([['federation', hash], ['swarm', swarmId], ['term', uint]], closed)
const Transaction = record([['kind', int(0, 65535)], ['body', bytes(1, 65536)]], closed)

const must = (holds, rule) => {
  if (!holds) throw new Error(`transaction: ${rule}`)
}

function join (body, membership, { timeMs }) {
  const { grant: sealed, certificate, join: word, approved } = Join.decode(body)
  const cert = readCertificate(certificate, membership.aad, membership.federation)
  must(cert.not_after_ms > timeMs, 'the certificate has expired')
  const ticketed = sealed !== null && word !== null
  must(ticketed || approved || membership.params.admission === 'open', 'without a ticket')
  const inviter = ticketed ? useTicket(sealed, word, certificate, membership, { approved, timeMs }) : null
  const before = membership.swarm(cert.swarm)
  must(before === undefined || (before.state === LEFT && cert.term > before.term), 'belongs already')
  must(!membership.members.some(({ name }) => name === cert.name), 'the name is taken')
  must(membership.memberAt(cert.queen_peer) === undefined, 'the peer is taken')
  membership.admit(cert, inviter)
}

function useTicket (sealed, word, certificate, membership, { approved, timeMs }) {
  const grant = readGrant(sealed, membership.federation, (id, term) => membership.queenKey(id, term))
  checkJoin(word, grant, certificate)
  const isInviter = (id) => id !== null && equal(id, grant.inviter)
  must(membership.members.some(({ swarm }) => isInviter(swarm)), 'the inviter is no member')
  must(grant.expires_ms > timeMs, 'the ticket has expired')
  must(!membership.tickets.some((id) => equal(id, grant.ticket_id)), 'the ticket was used')
  const brought = membership.members.filter(({ inviter }) => isInviter(inviter)).length
  const unbounded = approved || isInviter(membership.creator)
  must(unbounded || brought < membership.params.max_unvouched_per_inviter, 'too many by one inviter')
  membership.tickets.push(grant.ticket_id)
  return grant.inviter
}

function promote (body, membership, { height, hashAt }) {
  const { swarm, statement } = Promote.decode(body)
  const member = membership.swarm(swarm)
  must(member?.state === LEARNER, 'promotes no learner')
  const word = PromoteWord.decode(openBy('promote', statement, membership.aad, membership.queenKey(swarm, member.term)))
  must(equal(word.federation, membership.federation) && equal(word.swarm, swarm), 'promotes somebody else')
  must(word.height <= height && word.height + RECENT >= height, 'the promotion is not recent')
  must(equal(word.block_hash, hashAt(word.height)), 'the promotion names another chain')
  member.state = ACTIVE
}

function bumpTerm (body, membership) {
  const { payload, kid } = open('term-bump', Statement.decode(body).statement, membership.aad)
  const word = BumpWord.decode(payload)
  const cert = readCertificate(word.certificate, membership.aad, membership.federation)
  const member = membership.swarm(cert.swarm)
  must(equal(word.federation, membership.federation) && equal(kid, cert.queen_key), 'not by the new queen')
  must(member !== undefined && member.state !== LEFT, 'of no member')
  must(equal(member.rootKey, cert.root_key) && member.name === cert.name, 'of another swarm')
  must(cert.term > member.term, 'not a later term')
  must([undefined, member].includes(membership.memberAt(cert.queen_peer)), 'the peer is taken')
  member.terms.set(member.term, { ...member.terms.get(member.term), close: [word.close_seq, word.close_hash] })
  member.terms.set(cert.term, { queenKey: cert.queen_key, peer: cert.queen_peer, close: null })
  Object.assign(member, { term: cert.term, notAfterMs: cert.not_after_ms })
}

function leave (body, membership) {
  const { payload, kid } = open('leave', Statement.decode(body).statement, membership.aad)
  const word = LeaveWord.decode(payload)
  const member = membership.swarm(word.swarm)
  must(equal(word.federation, membership.federation), 'for another federation')
  must(member !== undefined && member.state !== LEFT && BigInt(member.term) === word.term, 'of no member')
  must(equal(kid, membership.queenKey(word.swarm, word.term)), 'not by its queen')
  must(!equal(word.swarm, membership.creator), 'the creator cannot leave')
  member.state = LEFT
}

const RULES = [undefined, { name: 'JOIN', apply: join }, { name: 'PROMOTE', apply: promote },
  { name: 'TERM_BUMP', apply: bumpTerm }, { name: 'LEAVE', apply: leave }]

// Applies one transaction; `at` has the block's time, the height before it, and the hashes below. Returns its name.
export function apply (transaction, membership, at) {
  const { kind, body } = Transaction.decode(transaction)
  const rule = RULES[kind]
  must(rule !== undefined, `of unknown kind ${kind}`)
  rule.apply(body, membership, at)
  membership.weigh()
  return rule.name
}

export function makePromote (federation, swarm, queen, { height, hash: blockHash }) {
  const word = PromoteWord.encode({ federation, swarm, height, block_hash: blockHash })
  const body = Promote.encode({ swarm, statement: seal('promote', word, queen, aadOf(federation)) })
  return Transaction.encode({ kind: 2, body })
}

