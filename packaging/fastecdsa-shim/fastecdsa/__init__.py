"""Placeholder for fastecdsa (see the README beside this package): the names exist, nothing is computed."""
