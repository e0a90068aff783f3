"""Anti-entropy between two nodes, as a pair of values that exchange messages (see `crdt.sync.session`)."""
