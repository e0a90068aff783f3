// The published test vectors: node vectors.js docs/vectors prints one JSON line per section.
//
// A reader of a section turns `in` into as much of `out` as this peer makes itself. Where there is `refused`, it throws.

import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { decode, encode } from './cbor.js'
import { makeJoin, readCertificate, readGenesis, readTicket } from './certificates.js'
import { GENESIS_AAD, aadOf, open, seal } from './cose.js'
import { frame, message, readMessages } from './frames.js'
import { topicOf } from './gossip.js'
import { shown } from './json.js'
import { KeyPair, ZEROS, hex, peerId, sha256, swarmId, unhex, utf8 } from './keys.js'
import { entryOf, makeEntry, readBatch, readOp } from './log.js'
import { JOIN_STATUS, LEAPS, byCode } from './messages.js'
import { federationRoot } from './state.js'
import { root } from './trie.js'

const aadNamed = (federation) => (federation === '' ? GENESIS_AAD : aadOf(unhex(federation)))
const nameIn = (contentType) => contentType.match(/^application\/zenmesh\.(.+)\+cbor;v=1$/)[1]

// The notation for values of no stated type.
function valueOf (written) {
  if (Array.isArray(written)) return written.map(valueOf)
  if (written === null || typeof written !== 'object') return written
  if ('bytes' in written) return unhex(written.bytes)
  if ('int' in written) return BigInt(written.int)
  return Object.fromEntries(written.map.map(([key, value]) => [key, valueOf(value)]))
}

async function messagesIn (framed) {
  const found = []
  for await (const { code, payload } of readMessages([framed])) found.push(hex(message(code, payload)))
  return found
}

const numbered = (count) => Array.from({ length: count }, (_, n) => ({ path: sha256(utf8(`path ${n}`)), digest: sha256(utf8(`digest ${n}`)) }))

function ticketIn ({ text }) {
  const { grant, seed, key, federation } = readTicket(text)
  return { grant: hex(grant), seed: hex(seed), ticket_key: hex(key.public), federation: hex(federation) }
}

let aadOfTheBatches // those that are refused do not name their federation: it is that of the good ones

const SECTIONS = {
  'ids/keys': ({ seed }) => {
    const { public: key } = new KeyPair(unhex(seed))
    return { public: hex(key), swarm_id: hex(swarmId(key)), peer_id: peerId(key) }
  },
  'ids/topics': ({ federation }) => ({ topic: topicOf(unhex(federation)) }),
  'cbor/values': ({ value }, { cbor }) => {
    decode(unhex(cbor))
    return { cbor: hex(encode(valueOf(value))) }
  },
  'cbor/refused': ({ cbor }) => decode(unhex(cbor)),
  'envelopes/sealed': ({ seed, content_type: type, payload, federation }) => {
    const envelope = seal(nameIn(type), unhex(payload), new KeyPair(unhex(seed)), aadNamed(federation))
    return { envelope: hex(envelope), kid: hex(open(nameIn(type), envelope, aadNamed(federation)).kid) }
  },
  'envelopes/refused': ({ envelope, content_type: type, federation }) =>
    open(nameIn(type), unhex(envelope), aadNamed(federation)),
  'frames/frames': async ({ messages }, { frame: framed }) => {
    if (!isDeepStrictEqual(await messagesIn(unhex(framed)), messages)) throw new Error('other messages')
    const compressed = framed.slice(8, 10) === '01' // one that this peer reads, and never writes
    return compressed ? {} : { frame: hex(frame(...messages.map(unhex))) }
  },
  'frames/refused': ({ frame: framed }) => messagesIn(unhex(framed)),
  'messages/refused': ({ code, payload }) => {
    const { name, raw } = byCode.get(code)
    const read = byCode.get(code).read(unhex(payload))
    return raw ? open(name.toLowerCase(), read, GENESIS_AAD) : read
  },
  'messages/later versions': ({ code, payload }, { fields }) => {
    const read = JSON.parse(JSON.stringify(byCode.get(code).read(unhex(payload)), shown))
    return isDeepStrictEqual(read, fields) ? {} : { fields: read }
  },
  'logs/ops': (_, { cbor }) => {
    const op = unhex(cbor)
    readOp(op)
    return { path: hex(entryOf(makeEntry({ seq: 1n, index: 0n, hlc: 1n, op })).path) }
  },
  'logs/refused ops': ({ cbor }) => readOp(unhex(cbor)),
  'logs/entries': ({ seq, place, hlc, op }) => {
    const entry = makeEntry({ seq: BigInt(seq), index: BigInt(place), hlc: BigInt(hlc), op: unhex(op) })
    return { entry: hex(entry), digest: hex(entryOf(entry).digest) }
  },
  'logs/batches': ({ header: { federation } }, { batch }) => {
    aadOfTheBatches = aadNamed(federation)
    const { header } = readBatch(unhex(batch), aadOfTheBatches)
    return { hash: hex(header.hash) }
  },
  'logs/refused batches': ({ batch }) => readBatch(unhex(batch), aadOfTheBatches),
  'logs/federation roots': ({ rows }) => ({
    root: hex(federationRoot(rows.map(({ swarm, term, seq, hash, root: trie, flag }) =>
      ({ swarm: unhex(swarm), term, seq, hash: unhex(hash), root: unhex(trie), flag }))))
  }),
  'trie/counted': ({ count }) => ({ root: hex(root(numbered(count))) }),
  'trie/listed': ({ entries }) => ({ root: hex(root(entries.map(([path, digest]) => ({ path: unhex(path), digest: unhex(digest) })))) }),
  'tickets/tickets': ticketIn,
  'tickets/refused': ticketIn,
  'tickets/joins': ({ text, certificate }) => ({ join: hex(makeJoin(readTicket(text), unhex(certificate))) }),
  'chain/refused certificates': ({ certificate, federation }) =>
    readCertificate(unhex(certificate), aadNamed(federation), federation === '' ? ZEROS : unhex(federation)),
  'chain/genesis': ({ genesis }, out) => ({ federation_id: hex(readGenesis(unhex(genesis ?? out.genesis)).federation) })
}

// A body that this peer knows reads as the fields that are given, and is written as the same bytes.
function messageReader ({ code, fields }, { body, message: whole }) {
  const { layout } = byCode.get(code)
  const read = layout.decode(unhex(body))
  const payload = layout.encode(read)
  const named = { ...fields }
  if ('status' in fields) named.status = JOIN_STATUS.indexOf(fields.status)
  if ('leaps' in fields) named.leaps = LEAPS.indexOf(fields.leaps)
  const same = isDeepStrictEqual(JSON.parse(JSON.stringify(read, shown)), named)
  return { body: hex(payload), message: same ? hex(message(code, payload)) : `other fields than ${whole}` }
}

const LAID_OUT = new Set([...byCode.values()].filter(({ raw }) => !raw).map(({ name }) => name))

async function judged (read, vector) {
  try {
    const made = await read(vector.in, vector.out ?? {})
    if ('refused' in vector) return 'taken'
    return Object.keys(made).filter((field) => vector.out[field] !== made[field]).join()
  } catch (error) {
    return 'refused' in vector ? '' : error.message
  }
}

for (const file of ['ids', 'cbor', 'envelopes', 'frames', 'messages', 'logs', 'trie', 'tickets', 'chain']) {
  const { sections } = JSON.parse(readFileSync(`${process.argv[2]}/${file}.json`))
  for (const { section, vectors } of sections) {
    const read = SECTIONS[`${file}/${section}`] ?? (LAID_OUT.has(section) && messageReader)
    if (!read) continue
    const wrong = []
    for (const vector of vectors) {
      const fault = await judged(read, vector)
      if (fault !== '') wrong.push(`${vector.name}: ${fault}`)
    }
    console.log(JSON.stringify({ section: `${file}/${section}`, vectors: vectors.length, wrong }))
  }
}
