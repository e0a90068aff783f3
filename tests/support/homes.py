"""A small home with everything in it, for tests that damage, copy, lock or move it."""

from __future__ import annotations

from pathlib import Path

from bootstrap.home import Home
from bootstrap.keyfiles import NODE, ROOT, KeyName, queen
from mesh.storage.store import Record, Store
from wire.keys import SigningKey

KEYS: dict[KeyName, SigningKey] = {
    ROOT: SigningKey(b"r" * 32),
    NODE: SigningKey(b"n" * 32),
    queen(0): SigningKey(b"q" * 32),
}
SETTINGS: dict[str, object] = {"swarm": "alpha", "project": "demo"}
GENESIS = b"genesis " * 40
CERTIFICATE = b"certificate " * 30
RECORDS = [Record(1, b"record %d " % number * 5) for number in range(5)]
SNAPSHOTS = {"alpha": b"A" * 300, "beta": b"B" * 40}


def make_home(path: Path) -> Home:
    """A home of a federation's member that was shut down in order."""
    home = Home.create(path, SETTINGS, KEYS)
    home.write_genesis(GENESIS)
    home.write_certificate(CERTIFICATE)
    home.write_pending_join({"ticket": "zm1abc"})
    store, _ = Store.open(home.state, expected=True)
    store.compact(SNAPSHOTS)
    store.append(RECORDS)
    store.save_file("book", b"peers", durable=False)
    store.close(b"head")
    return home
