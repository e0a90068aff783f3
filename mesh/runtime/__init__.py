"""The only place with libp2p: it runs the pure node on real sockets, a real disk and real clocks."""
