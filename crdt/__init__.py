"""Replicated state: delta-state CRDTs, signed owner logs, Merkle tries, anti-entropy. Values in, values out."""
