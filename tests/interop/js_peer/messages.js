// The registry: every message that this peer sends or reads, with its code, lane, bound and layout.

import { bool, bytes, int, list, nullable, record, text, uint } from './layout.js'

const swarm = bytes(16)
const hash = bytes(32)
const permille = int(0, 1000)
const KIB = 1024

const HeldRow = record([['swarm', swarm], ['term', uint], ['seq', uint], ['head', hash]])
const BlockRecord = record([
  ['block', bytes(1, 1024 * KIB)], ['certificate', bytes(1, 65536)], ['state', nullable(bytes(0, 2048 * KIB))]
], { defaults: [null] })
const Ping = record([['nonce', uint], ['wall_ms', uint], ['height', uint], ['state_root', hash]])
const Capabilities = record([
  ['worker_types', list(text(1, 64), 64)], ['max_workers', uint],
  ['current_load_permille', permille], ['memory_available', uint]
], { defaults: [[], 0n, 0, 0n] })
const VectorRow = record([
  ['swarm', swarm], ['term', uint], ['seq', uint], ['hash', hash], ['root', hash], ['flag', int(0, 255)]
])
const Want = record([
  ['swarm', swarm], ['term', uint], ['seq', uint], ['hash', hash], ['anew', bool], ['stream', bool], ['after', bytes(0, 32)]
])
const Sought = record([['swarm', swarm], ['timestamp_ms', uint]])
const envelope = nullable(bytes(1, 16384))

// Statements inside envelopes.
export const Discovery = record([
  ['swarm', swarm], ['term', uint], ['project_id', text(0, 128)], ['addresses', list(text(1, 255), 16)],
  ['capabilities', Capabilities], ['timestamp_ms', uint]
])
export const Heartbeat = record([
  ['federation', hash], ['epoch', uint], ['swarm', swarm], ['term', uint], ['incarnation', uint], ['seq', uint],
  ['hlc', uint], ['height', uint], ['view', uint], ['head', hash], ['state_root', hash], ['load_permille', permille],
  ['chain_head', nullable(hash)]
], { defaults: [null] })

export const LEAPS = ['NONE', 'FAR', 'WANTED']
export const JOIN_STATUS = ['ACCEPTED', 'PENDING', 'REJECTED', 'WRONG_FEDERATION']

const REGISTRY = [
  [1, 'HELLO', 'priority', 4 * KIB, record([
    ['protocol_version', uint], ['federation', hash], ['swarm', swarm], ['term', uint], ['boot_nonce', bytes(16)],
    ['epoch', uint], ['height', uint], ['state_root', hash], ['wall_ms', uint], ['yours', nullable(HeldRow)],
    ['name', text(1, 64)], ['software', text(0, 64)]
  ])],
  [2, 'HEARTBEAT', 'mesh', 4 * KIB],
  [3, 'DISCOVERY', 'mesh', 16 * KIB],
  [4, 'BATCH', 'mesh', 300 * KIB],
  [6, 'PING', 'priority', 128, Ping],
  [7, 'PONG', 'priority', 128, Ping],
  [8, 'CHAIN_REQUEST', 'mesh', 128, record([
    ['from_height', uint], ['leaps', int(0, 2)], ['pass_not', nullable(uint)]
  ], { defaults: [0, null] })],
  [9, 'CHAIN_BLOCKS', 'mesh', 2048 * KIB, record([['height', uint], ['blocks', list(BlockRecord, 256)]])],
  [12, 'TX_SUBMIT', 'mesh', 64 * KIB],
  [13, 'HELD', 'mesh', 64 * KIB, record([['rows', list(HeldRow, 512)]])],
  [14, 'REFUSAL', 'priority', 4 * KIB, record([['code', text(0, 32)], ['reason', text(0, 512)]])],
  [15, 'SEEK', 'mesh', 4 * KIB, record([['members', list(Sought, 64)]])],
  [32, 'SYNC_HELLO', 'sync', 1024 * KIB, record([
    ['nonce', uint], ['answers', uint], ['epoch', uint], ['height', uint], ['root', hash], ['rows', list(VectorRow, 4096)]
  ])],
  [33, 'SYNC_WANT', 'sync', 1024 * KIB, record([['wants', list(Want, 4096)]])],
  [34, 'SYNC_BATCHES', 'sync', 640 * KIB, record([['batches', list(bytes(1, 307200), 1024)], ['answered', uint]])],
  [35, 'SYNC_SNAPSHOT', 'sync', 4 * KIB, record([['head', bytes(1, 1024)], ['entries', uint], ['streamed', bool]])],
  [36, 'SYNC_ENTRIES', 'sync', 640 * KIB, record([
    ['swarm', swarm], ['term', uint], ['seq', uint], ['last', bool], ['entries', list(bytes(1, 20480), 65536)]
  ])],
  [39, 'SYNC_CREDIT', 'sync', 128, record([['messages', int(1, 8)]])],
  [40, 'SYNC_BYE', 'sync', 1 * KIB, record([['nonce', uint]])],
  [48, 'JOIN_REQUEST', 'join', 60 * KIB, record([
    ['federation', nullable(hash)], ['grant', envelope], ['certificate', envelope], ['join', envelope]
  ])],
  [49, 'JOIN_RESPONSE', 'join', 60 * KIB, record([
    ['status', int(0, 3)], ['reason', text(0, 512)], ['genesis', nullable(bytes(0, 32768))], ['height', uint],
    ['retry_after_ms', uint], ['addresses', list(text(0, 255), 32)]
  ])]
]

// A message without a layout here carries bytes that mean something elsewhere: an envelope, a batch, a transaction.
const RAW = { encode: (data) => data, decode: (data) => data }

class Kind {
  constructor ([code, name, lane, most, layout = RAW]) {
    Object.assign(this, { code, name, lane, most, layout, raw: layout === RAW })
  }

  read (payload) {
    if (payload.length > this.most) throw new Error(`${this.name}: ${payload.length} bytes`)
    return this.layout.decode(payload)
  }
}

const KINDS = REGISTRY.map((row) => new Kind(row))

export const byName = Object.fromEntries(KINDS.map((kind) => [kind.name, kind]))
export const byCode = new Map(KINDS.map((kind) => [kind.code, kind]))
