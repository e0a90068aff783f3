"""The chaos harness: a deterministic world in which the real node runs, is tortured, and is watched.

    scenario   a seed, a configuration and a list of actions, as JSON
    world      virtual time, hosts, links, gossip; runs the same `Node` and the same `Store` as the daemon
    checkers   invariants, judged after every effect
    live       the same ideas with real processes, driven through the command line alone

Everything in the world follows from the scenario: the same file gives the same trace digest, in any process, under
any `PYTHONHASHSEED`. Nothing here imports trio, libp2p or the runtime.
"""
