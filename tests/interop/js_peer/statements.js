// What members say of themselves on gossip and MESH: is it authentic, and what does it say?
//
// `judge` returns what was said, undefined when the chain does not name the author yet, and throws at a forgery.

import { open, seal } from './cose.js'
import { equal } from './keys.js'
import { Discovery, Heartbeat } from './messages.js'

const OWN_WORDS = { DISCOVERY: Discovery, HEARTBEAT: Heartbeat }

function judgeOwnWord (name, envelope, { membership }) {
  const { payload, kid } = open(name.toLowerCase(), envelope, membership.aad)
  const said = OWN_WORDS[name].decode(payload)
  const member = membership.swarm(said.swarm)
  if (member === undefined || BigInt(member.term) !== said.term) return undefined
  if (!equal(kid, membership.queenKey(said.swarm, said.term))) throw new Error(`${name}: not by the current queen`)
  return said
}

export function judge (name, payload, state) {
  if (name in OWN_WORDS) return judgeOwnWord(name, payload, state.chain)
  if (name === 'BATCH') return state.authentic(payload)?.header
  throw new Error(`${name} has no business here`)
}

export const say = (name, fields, queen, aad) => seal(name.toLowerCase(), OWN_WORDS[name].encode(fields), queen, aad)

// The same payload with one bit of one byte turned, for every byte; how many of them `judge` throws at.
export function rejectedMutants (name, payload, state) {
  return [...payload.keys()].filter((place) => {
    const mutant = Uint8Array.from(payload)
    mutant[place] ^= 1 << (place % 8)
    try {
      judge(name, mutant, state)
      return false
    } catch {
      return true
    }
  }).length
}
