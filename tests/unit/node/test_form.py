"""Scenarios of the pure node in the small world: forming a federation, writing, restarting."""

from __future__ import annotations

from mesh.protocol.commands import MemoryGet, MemoryPut, Success
from tests.support.small_swarms import Town
from wire.time import SECOND


def test_three_swarms_form_a_federation_and_share_a_write() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    outcome = town.world.ask(town["beta"], MemoryPut(key="plan", value=b'{"step": 1}'))
    assert isinstance(outcome, Success), outcome
    town.world.run(SECOND)
    for name in ("alpha", "beta", "gamma"):
        read = town.world.ask(town[name], MemoryGet(key="plan"))
        assert isinstance(read, Success)
        assert read.result["values"] == {"beta": {"step": 1}}
