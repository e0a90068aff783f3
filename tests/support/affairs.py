"""Affairs: an author that says one thing here and another there, perhaps while the chain closes its term."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from crdt.replica import Replica
from tests.support.replicas import Scribe, View, check, stories, write_all
from tests.support.sync_pair import Ring
from wire.ids import ZERO_DIGEST


@dataclass(frozen=True, slots=True)
class Affair:
    """An author with up to three tongues, perhaps a close on the first one, and where its log ends for all."""

    tongues: list[Scribe]
    close: tuple[int, bytes] | None

    @property
    def written(self) -> list[bytes]:
        return list(dict.fromkeys(batch for tongue in self.tongues for batch in tongue.batches))

    def fork(self) -> int | None:
        """The last batch before two tongues contradict each other."""
        pairs = [(one.batches, other.batches) for one in self.tongues for other in self.tongues]
        parting = [common_length(one, other) for one, other in pairs]
        return min((at for at, pair in zip(parting, pairs, strict=True) if at < min(map(len, pair))), default=None)


def common_length(one: list[bytes], other: list[bytes]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


@st.composite
def affairs(draw: st.DrawFn) -> Affair:
    main = write_all(Scribe(Ring()), draw(stories))
    tongues = [main]
    for _ in range(draw(st.integers(1, 2))):
        twin = main.twin(draw(st.integers(0, len(main.batches) - 1)))
        tongues.append(write_all(twin, draw(stories)))
    at = draw(st.none() | st.integers(0, len(main.batches)))
    head = None if at is None else main.log.head_at(at)
    return Affair(tongues, None if at is None else (at, head.hash if head else ZERO_DIGEST))


def learn(replica: Replica, scribe: Scribe, close: tuple[int, bytes] | None) -> None:
    """The chain reaches this replica, and perhaps says where the term of `scribe` ends."""
    if close is not None:
        assert isinstance(replica.key_ring, View)
        replica.key_ring.closes[scribe.author] = close
        replica.enforce_cut(scribe.author)
        check(replica)
