"""The harness that users run: a deterministic world for the pure node, with faults, checkers and a minimizer."""
