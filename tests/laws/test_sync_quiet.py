"""Two nodes that open, hear and give up sessions in any order fall silent once neither opens another one."""

from __future__ import annotations

from collections import deque

from hypothesis import example, given
from hypothesis import strategies as st

from mesh.protocol.effects import Send
from mesh.protocol.outbox import Outbox
from mesh.protocol.syncing import Syncing
from tests.support.small_swarms import Town
from wire.frame import unpack_message
from wire.time import SECOND

STEPS = ("open", "hear", "hear", "hear", "wait")
LAST_WORDS = (
    16  # two sessions at most are under way, and nobody has anything to fetch: HELLO twice and BYE of each side
)

_TOWN = Town("alpha", "beta")
_TOWN.form()


class _Side:
    """The sync machine of one of two linked nodes, and what is on its way to it."""

    def __init__(self, name: str) -> None:
        context = _TOWN.node(name).context
        (self.link,) = context.links.members()
        self.syncing = Syncing(context)
        self.inbox: deque[bytes] = deque()
        self.other: _Side | None = None

    def open(self, now: int) -> None:
        self.syncing.want(self.link.peer)
        self.tick(now)

    def tick(self, now: int) -> None:
        out = Outbox()
        self.syncing.tick(now, out)
        self._deliver(out)

    def hear(self, now: int) -> bool:
        if not self.inbox:
            return False
        code, payload = unpack_message(self.inbox.popleft())
        out = Outbox()
        self.syncing.on_message(self.link, code, payload, now, out)
        self._deliver(out)
        return True

    def _deliver(self, out: Outbox) -> None:
        assert self.other is not None, "the pair is complete"
        self.other.inbox += [effect.message for effect in out.effects if isinstance(effect, Send)]


def _pair() -> tuple[_Side, _Side]:
    left, right = _Side("alpha"), _Side("beta")
    left.other, right.other = right, left
    return left, right


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.booleans()), max_size=40))
@example([("open", True), ("hear", False), ("wait", False), ("open", True)])
def test_nobody_goes_on_alone(steps: list[tuple[str, bool]]) -> None:
    pair = _pair()
    now = _TOWN.world.now
    for step, side in steps:
        now += SECOND
        match step:
            case "open":
                pair[side].open(now)
            case "hear":
                pair[side].hear(now)
            case _:
                now += 31 * SECOND  # who made no progress gives up, and opens another session
                pair[side].tick(now)
    heard = 0
    while pair[0].hear(now) or pair[1].hear(now):
        heard += 1
        assert heard <= LAST_WORDS + 4 * len(steps), "each answers what the other said last, for ever"
