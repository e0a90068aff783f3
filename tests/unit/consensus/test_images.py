"""Images of states: one spelling for each, whoever governs, and what the one who shows the way keeps of them."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from consensus import history, image
from consensus.governance.standing import Policy
from tests.support.leaps import Story, creators, told
from tests.support.realm import swarm
from wire import cbor
from wire.errors import RemoteError


def image_of(story: Story, height: int, **changes: Any) -> bytes:
    """The image of a state in which somebody changed something."""
    found = cbor.decode_as(image.encode(story.states[height], whole=True), image.Image, 1 << 30)
    fields = {name: getattr(found, name) for name in found.__struct_fields__}
    return cbor.encode_struct(image.Image(**{**fields, **changes}))


SPELLED_OTHERWISE = {
    "a peak below the members": {"peak": 0},
    "tickets twice": {"tickets": (bytes(16), bytes(16))},
}


@pytest.mark.parametrize("name", SPELLED_OTHERWISE)
def test_an_image_has_one_spelling(name: str) -> None:
    story = told()
    assert story.states[30].membership.peak == len(story.states[30].membership.members())
    with pytest.raises(RemoteError, match="not spelled as its state is"):
        image.decode(image_of(story, 30, **SPELLED_OTHERWISE[name]), story.chain.genesis, 0)


def test_a_creators_image_speaks_of_no_decisions() -> None:
    realm = creators(3)
    state, genesis = realm.chain.state, realm.chain.genesis
    for whole in (True, False):
        assert image.decode(image.encode(state, whole=whole), genesis, realm.chain.epoch) == (state, True)
    rows = cbor2.loads(image.encode(state, whole=True))
    rows[5] = 2
    with pytest.raises(RemoteError, match="not spelled"):
        image.decode(cbor.encode(rows), genesis, 0)


def test_policies_of_one_and_of_all_are_in_an_image() -> None:
    story = told()
    state, genesis = story.states[30], story.chain.genesis
    voter = swarm(story.chamber.order[0])
    standing = state.standing.ruled(None, Policy(max_agents=3)).ruled(
        voter, Policy(allowed_types=("coder",), read=False)
    )
    ruled = type(state)(state.membership, standing, state.epoch)
    assert image.decode(image.encode(ruled, whole=True), genesis, state.epoch) == (ruled, True)


def test_images_are_kept_for_the_next_who_asks_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_CACHED", 1)
    story = Story(epochs=2, calm=12)
    assert story.course() == story.course()
    assert len(story.chain.landmarks._images) == 1
