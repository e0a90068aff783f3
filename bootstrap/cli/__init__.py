"""The command line: a thin client of the running node, which answers at once."""
