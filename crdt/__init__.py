"""Replicated state: delta-state CRDTs, signed owner logs, Merkle tries and anti-entropy. Pure: values in, values out."""
