"""Finding peers on the local network by multicast DNS, compatible with other libp2p implementations."""
