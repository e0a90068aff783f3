"""Where py-libp2p trusts its peers too much, and what is done about it: a module per trap, attacked by tests.

| module | what a stranger could do without it |
|---|---|
| `yamux` | freeze a connection by saturating both directions; grow memory with streams that nobody reads |
| `tcp` | use up the inbound slots, or the file descriptors; stay half-dead unnoticed; slip past by IPv6 |
| `guard` | end the process with one malformed stream; open streams without bound |
| `pubsub` | end gossip with one malformed message; make this node dial addresses of its choice |
| `peerstore` | make this node dial addresses of its choice, whenever a connection breaks |

The patched names are private to py-libp2p, so its version is pinned and the tests of this package attack each trap.
"""
