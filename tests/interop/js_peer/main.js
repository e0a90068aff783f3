// A peer as a process: the first line of standard input says who and where, each further one is a command, and each
// line of standard output is one event, all as JSON.
//
//     {"home": "…", "name": "gamma", "project": "demo", "listen": ["/ip4/127.0.0.1/tcp/0"], "mdns": false}
//     {"do": "join", "ticket": "zm1…"}          {"do": "put", "key": "plan", "value": 1, "quietly": true}
//     {"do": "announce", "capabilities": {…}, "by": "gossip"}
//
// It ends with its standard input.

import { createInterface } from 'node:readline'
import { readTicket } from './certificates.js'
import { Home } from './home.js'
import { shown } from './json.js'
import { startNetwork } from './network.js'
import { Peer } from './peer.js'

const tell = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }, shown))

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const next = async () => JSON.parse((await lines.next()).value ?? 'null')

const { home: directory, name, project, listen, mdns } = await next()
const home = new Home(directory)
const network = await startNetwork({ seed: home.node.seed, listen, withMdns: mdns })
network.addEventListener('peer:discovery', ({ detail: { id, multiaddrs } }) => {
  tell('found', { peer: id.toString(), addresses: multiaddrs.map(String) })
})
const peer = new Peer({ home, network, name, project, tell })
await peer.start()
tell('ready', { peer: network.peerId.toString(), swarm: peer.self.swarm, addresses: network.getMultiaddrs().map(String) })

const COMMANDS = {
  join: ({ ticket, address }) => {
    const read = readTicket(ticket)
    return peer.join(read, address ?? read.addresses[0])
  },
  put: ({ key, value, quietly }) => peer.put(key, value, { quietly }),
  announce: ({ capabilities, by }) => peer.announce({
    ...capabilities,
    max_workers: BigInt(capabilities.max_workers),
    memory_available: BigInt(capabilities.memory_available)
  }, by),
  state: () => tell('state', { root: peer.state.root, rows: peer.state.rows, height: peer.chain.height })
}

for (let command = await next(); command !== null; command = await next()) {
  try {
    await COMMANDS[command.do](command)
    tell('done', { do: command.do })
  } catch (error) {
    tell('failed', { do: command.do, reason: error.message })
  }
}
process.exit(0)
