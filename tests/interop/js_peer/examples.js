// The worked examples of the documents, computed anew: node examples.js docs/protocol prints one JSON line per example.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Chain } from './chain.js'
import { readGenesis, readTicket, makeJoin } from './certificates.js'
import { GENESIS_AAD, open, seal } from './cose.js'
import { frame, message } from './frames.js'
import { KeyPair, ZEROS, hex, peerId, sha256, swarmId, unhex, utf8 } from './keys.js'
import { entryOf } from './log.js'
import { byName } from './messages.js'
import { State } from './state.js'
import { apply } from './transactions.js'
import { root } from './trie.js'

const EXAMPLE = /<!-- example (\w+) -->\n```text\n(.*?)```\n<!-- end -->/gs
const FIELD = /^(\S.*) =\n((?: {2}\S+\n)+)/gm

function readExamples (folder) {
  const texts = readdirSync(folder).filter((name) => name.endsWith('.md')).map((name) => readFileSync(join(folder, name), 'utf8'))
  const fields = (body) => Object.fromEntries([...body.matchAll(FIELD)].map(([, name, value]) => [name, value.replace(/\s/g, '')]))
  return Object.fromEntries([...texts.join('\n').matchAll(EXAMPLE)].map(([, name, body]) => [name, fields(body)]))
}

const docs = readExamples(process.argv[2])
const keys = Object.fromEntries(['root', 'node', 'queen'].map((whose) => [whose, new KeyPair(unhex(docs.keys[`${whose} seed`]))]))
const genesis = unhex(docs.genesis.genesis)
const chain = new Chain(genesis)

const EXAMPLES = {
  keys: () => ({
    'root key': hex(keys.root.public),
    'swarm id': hex(swarmId(keys.root.public)),
    'node key': hex(keys.node.public),
    'peer id': peerId(keys.node.public),
    'queen key': hex(keys.queen.public)
  }),
  envelope: () => {
    const { payload } = open('member-cert', unhex(docs.envelope.envelope), GENESIS_AAD)
    return { payload: hex(payload), envelope: hex(seal('member-cert', payload, keys.root, GENESIS_AAD)) }
  },
  frame: () => {
    const { PING } = byName
    const payload = PING.layout.encode({ nonce: 1n, wall_ms: 1800000000000n, height: 2n, state_root: ZEROS })
    const encoded = message(PING.code, payload)
    return { payload: hex(payload), message: hex(encoded), frame: hex(frame(encoded)) }
  },
  genesis: () => ({
    payload: hex(open('genesis', genesis, GENESIS_AAD).payload),
    'federation id': hex(readGenesis(genesis).federation),
    'state hash at height 0': hex(chain.membership.stateHash)
  }),
  ticket: () => {
    const ticket = readTicket(docs.ticket.ticket)
    const certificate = unhex(docs.ticket['certificate of the joiner'])
    return {
      'ticket key': hex(ticket.key.public),
      'SHA-256 of the certificate': hex(sha256(certificate)),
      join: hex(makeJoin(ticket, certificate))
    }
  },
  block: () => {
    const given = (name) => unhex(docs.block[name])
    chain.append({ block: given('block 1'), certificate: given('commit certificate of block 1') })
    const second = chain.membership.copy()
    apply(given('transaction of block 2'), second, { timeMs: 0n, height: 1n, hashAt: (height) => chain.hashAt(height) })
    return {
      'hash of block 1': hex(chain.hashAt(1n)),
      'state hash at height 1': hex(chain.membership.stateHash),
      'state hash at height 2': hex(second.stateHash)
    }
  },
  trie: () => {
    const number = (n) => ({ path: sha256(utf8(`path ${n}`)), digest: sha256(utf8(`digest ${n}`)) })
    const first = (count) => Array.from({ length: count }, (_, n) => number(n))
    const rootOf = (count) => hex(root(first(count)))
    return { empty: rootOf(0), 'root of the first entry alone': rootOf(1), 'root of the first 16': rootOf(16), 'root of all 17': rootOf(17) }
  },
  batch: () => {
    const state = new State(chain)
    const batch = state.authentic(unhex(docs.batch.batch)) // received, it might be from the future
    state.logOrNew(batch.header.swarm, batch.header.term).receive(batch)
    const { path, digest } = entryOf(unhex(docs.batch.entry))
    return {
      op: hex(batch.ops[0]),
      path: hex(path),
      digest: hex(digest),
      'state root': hex(state.rows[0].root),
      hash: hex(batch.header.hash),
      'federation root': hex(state.root)
    }
  }
}

for (const [name, compute] of Object.entries(EXAMPLES)) {
  const computed = compute()
  const differ = Object.entries(computed).filter(([field, value]) => value !== docs[name][field]).map(([field]) => field)
  console.log(JSON.stringify({ example: name, fields: Object.keys(computed).length, differ }))
}
