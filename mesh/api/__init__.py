"""The local control API: HTTP on a Unix socket in the home, its client, and metrics. Knows no libp2p."""
