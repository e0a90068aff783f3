"""A life of three swarms in the small world, and the digest of every effect that their nodes had.

`python -m tests.code.scenario SEED` prints the digest, and one of the code that it ran. Two runs of one seed must
agree to the last bit, in whatever process and under whatever PYTHONHASHSEED they happen: replaying and shrinking a
failure rest on it. `--planted` lets the order of a set reach the nodes, to show that such a thing is seen.
"""

from __future__ import annotations

import sys
from hashlib import sha256

from mesh.protocol.commands import MemoryPut, MemoryRemove, Success
from mesh.protocol.effects import Effect
from tests.code.sources import PACKAGES, ROOT
from tests.support.small_swarms import Town
from tests.support.small_world import Host
from wire.time import SECOND

NAMES = ("alpha", "beta", "gamma")
KEYS = [f"key{number}" for number in range(6)]


def code() -> str:
    """A digest of the sources as they are now: edited between two runs, they may well have two histories."""
    sources = sorted(path for folder in (*PACKAGES, "tests/support") for path in (ROOT / folder).rglob("*.py"))
    return sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


CODE = code()  # when this module was imported, and all that it runs


def digest_of_a_life(seed: int, *, planted: bool = False) -> tuple[int, str]:
    """How many effects there were, and their digest: forming, writes, loss, a partition, a crash, the way back."""
    town = Town(*NAMES, seed=seed)
    digest, effects = sha256(), 0
    carry_out = town.world._release

    def noted(host: Host, effect: Effect) -> None:
        nonlocal effects
        effects += 1
        digest.update(f"{town.world.now} {host.name} {effect!r}\n".encode())
        carry_out(host, effect)

    town.world._release = noted  # type: ignore[method-assign]
    live(town, list(set(KEYS)) if planted else KEYS)
    return effects, digest.hexdigest()


def live(town: Town, keys: list[str]) -> None:
    """The scenario."""
    alpha, beta, gamma = (town[name] for name in NAMES)
    town.form()
    town.world.loss = 0.1
    for number, key in enumerate(keys):
        write(town, (alpha, beta, gamma)[number % 3], MemoryPut(key=key, value=b'{"number": %d}' % number))
    town.world.partition([alpha], [beta, gamma])
    town.world.run(20 * SECOND)
    write(town, alpha, MemoryPut(key="apart", value=b"1"))
    write(town, beta, MemoryRemove(key=keys[1]))
    town.world.loss = 0.0
    town.world.heal()
    town.settle()
    town.world.crash(gamma)
    write(town, alpha, MemoryPut(key="missed", value=b"2"))
    town.world.run(20 * SECOND)
    town.world.start(gamma)
    town.settle()


def write(town: Town, host: Host, operation: MemoryPut | MemoryRemove) -> None:
    """Ask for a write, which must succeed."""
    outcome = town.world.ask(host, operation)
    assert isinstance(outcome, Success), outcome


if __name__ == "__main__":
    print(*digest_of_a_life(int(sys.argv[1]), planted="--planted" in sys.argv), CODE)
