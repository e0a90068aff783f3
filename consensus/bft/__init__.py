"""Byzantine agreement on one height after the other: PBFT with transferable votes and certificates."""
