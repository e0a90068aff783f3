// The four lanes of each link: one outbound stream per lane that is only written, inbound ones that are only read.

import { peerIdFromString } from '@libp2p/peer-id'
import { frame, message, readMessages } from './frames.js'
import { byCode, byName } from './messages.js'

const LANES = ['priority', 'mesh', 'sync', 'join']
const protocolOf = (lane) => `/zenmesh/${lane}/1`

export class Lanes {
  #tails = new Map() // `peer lane` → promise of the stream, after all that was written before

  // `onMessage(peer, name, fields)` hears what arrives; `onOffence(peer, error)` of what breaks a form or a rule.
  constructor (libp2p, { onMessage, onOffence }) {
    Object.assign(this, { libp2p, onMessage, onOffence })
    libp2p.addEventListener('peer:disconnect', ({ detail }) => this.#forget(`${detail} `))
  }

  async register () {
    for (const lane of LANES) {
      await this.libp2p.handle(protocolOf(lane), (stream, connection) => this.#read(lane, stream, connection.remotePeer))
    }
  }

  async #read (lane, stream, peerId) {
    const peer = peerId.toString()
    try {
      for await (const { code, payload } of readMessages(stream)) {
        const kind = byCode.get(code)
        if (kind?.lane === lane) await this.onMessage(peer, kind.name, kind.read(payload))
      }
    } catch (error) {
      this.onOffence(peer, error)
    } finally {
      stream.abort(new Error('read to its end')) // a reader resets what it has read
    }
  }

  // Writes one message, behind all that was written to this lane of this peer before.
  send (peer, name, fields) {
    const { code, lane, layout } = byName[name]
    const place = `${peer} ${lane}`
    const written = (this.#tails.get(place) ?? this.#open(peer, lane)).then(async (stream) => {
      if (!stream.send(frame(message(code, layout.encode(fields))))) await stream.onDrain()
      if (lane !== 'join') return stream
      await stream.close()
      return this.#tails.delete(place)
    })
    written.catch((error) => {
      this.#tails.delete(place)
      this.onOffence(peer, error)
    })
    this.#tails.set(place, written)
  }

  async #open (peer, lane) {
    const [connection] = this.libp2p.getConnections(peerIdFromString(peer))
    if (connection === undefined) throw new Error('no connection')
    return connection.newStream(protocolOf(lane))
  }

  // The link is over: its streams are gone with it.
  #forget (prefix) {
    for (const place of this.#tails.keys()) if (place.startsWith(prefix)) this.#tails.delete(place)
  }
}
