// The libp2p node underneath: TCP, Noise, Yamux and nothing else; identify, ping and gossip on top.

import './polyfill.js'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { mdns } from '@libp2p/mdns'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { concat, u64 } from './keys.js'

// js-libp2p's own message id begins with the encoded key; the federation's begins with the peer id.
const messageId = ({ from, sequenceNumber }) => concat(from.toMultihash().bytes, u64(sequenceNumber))

export async function startNetwork ({ seed, listen, withMdns }) {
  return createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', seed),
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    peerDiscovery: withMdns ? [mdns()] : [],
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: gossipsub({ msgIdFn: messageId, allowPublishToZeroTopicPeers: true, D: 6, Dlo: 4, Dhi: 12 })
    }
  })
}
