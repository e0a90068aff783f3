"""The naive model of every replicated type: a log of operations that never merges, compacts or forgets anything.

An operation says at which place it writes, what, and which earlier writes it observed there and takes away. A write
is live while no operation that is known observed it; what a type shows is told from the live writes alone. A
`Subject` ties one type of the library to its model: the actions that a user can take, what each does to the value,
and what each leaves in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st

from crdt.types.counters import GCounter, ORCounter, PNCounter
from crdt.types.dots import Actor
from crdt.types.ormap import ORMap
from crdt.types.orset import ORSet
from crdt.types.registers import LWWRegister, MVRegister


class Note(NamedTuple):
    """What an action leaves in the log; `write` is None when it only takes away."""

    place: tuple[Any, ...]
    write: Any
    observed: list[int]


class Rank(NamedTuple):
    """Who did something, and which number in the log it got: sorts like the dots of the library."""

    actor: Actor
    number: int


class Logged(NamedTuple):
    """One operation, and its number in the log."""

    number: int
    rank: Rank
    note: Note

    def below(self) -> Logged:
        """The same operation, as seen from one step down its place."""
        return self._replace(note=self.note._replace(place=self.note.place[1:]))


Log = list[Logged]


def live(log: Log) -> Log:
    """The writes that no operation of `log` observed."""
    observed = {number for logged in log for number in logged.note.observed}
    return [logged for logged in log if logged.number not in observed and logged.note.write is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One type of the library and its model. `note` and `shows` look at live writes."""

    type_: type[Any]
    actions: st.SearchStrategy[Any]
    mutate: Callable[[Any, Actor, Any], Any]  # value, actor, action: the delta
    read: Callable[[Any], Any]
    note: Callable[[Any, Log, Rank], Note]
    shows: Callable[[Log], Any]
    implied: bool = False  # an operation implies the earlier ones of its actor at its place

    def seen(self, whole: Log, known: set[int]) -> Log:
        """The operations that somebody who received those in `known` has seen."""
        if not self.implied:
            return [logged for logged in whole if logged.number in known]
        newest = {(logged.rank.actor, logged.note.place): logged.number for logged in whole if logged.number in known}
        return [logged for logged in whole if logged.number <= newest.get((logged.rank.actor, logged.note.place), -1)]


def _numbers(log: Log) -> list[int]:
    return [logged.number for logged in log]


def _total(log: Log) -> int:
    return sum(logged.note.write for logged in log)


def _texts(log: Log) -> list[bytes]:
    return sorted({logged.note.write for logged in log})


small = st.sampled_from([b"", b"x", b"y"])
stamps = st.integers(0, 2)

G_COUNTER = Subject(
    type_=GCounter,
    actions=st.integers(1, 9),
    mutate=lambda value, actor, amount: value.add(actor, amount),
    read=lambda value: value.value,
    note=lambda amount, _, __: Note((), amount, []),
    shows=_total,
    implied=True,
)
PN_COUNTER = Subject(
    type_=PNCounter,
    actions=st.integers(-9, 9).filter(bool),
    mutate=lambda value, actor, amount: value.add(actor, amount),
    read=lambda value: value.value,
    note=lambda amount, _, __: Note(("up" if amount > 0 else "down",), amount, []),
    shows=_total,
    implied=True,
)
OR_COUNTER = Subject(
    type_=ORCounter,
    actions=st.integers(-9, 9) | st.none(),
    mutate=lambda value, actor, amount: value.reset() if amount is None else value.add(actor, amount),
    read=lambda value: value.value,
    note=lambda amount, log, _: Note((), amount, _numbers(log) if amount is None else []),
    shows=_total,
)
MV_REGISTER = Subject(
    type_=MVRegister,
    actions=small | st.none(),
    mutate=lambda value, actor, text: value.reset() if text is None else value.write(actor, text),
    read=lambda value: value.values,
    note=lambda text, log, _: Note((), text, _numbers(log)),
    shows=_texts,
)


def _lww_mutate(value: LWWRegister, actor: Actor, action: tuple[int, int, bytes] | None) -> LWWRegister:
    if action is None:
        return value.reset()
    term, hlc, text = action
    return value.write(actor, text, term=term, hlc=hlc)


def _lww_note(action: tuple[int, int, bytes] | None, log: Log, rank: Rank) -> Note:
    taken = [logged for logged in log if action is None or _lww_order(logged) < (action[:2], rank)]
    return Note((), action, _numbers(taken))


def _lww_order(logged: Logged) -> tuple[tuple[int, int], Rank]:
    return logged.note.write[:2], logged.rank


def _lww_shows(log: Log) -> bytes | None:
    newest = max(log, key=_lww_order, default=None)
    return None if newest is None else newest.note.write[2]


def _set_note(action: tuple[str, bytes] | None, log: Log, _: Rank) -> Note:
    if action is None:
        return Note((), None, _numbers(log))
    verb, element = action
    same = [logged for logged in log if logged.note.write == element]
    return Note((), element if verb == "add" else None, _numbers(same))


def _set_mutate(value: ORSet, actor: Actor, action: tuple[str, bytes] | None) -> ORSet:
    if action is None:
        return value.reset()
    verb, element = action
    return value.add(actor, element) if verb == "add" else value.remove(element)


LWW_REGISTER = Subject(
    type_=LWWRegister,
    actions=st.tuples(stamps, stamps, small) | st.none(),
    mutate=_lww_mutate,
    read=lambda value: None if value.newest is None else value.newest.value,
    note=_lww_note,
    shows=_lww_shows,
)
OR_SET = Subject(
    type_=ORSet,
    actions=st.tuples(st.sampled_from(["add", "add", "remove"]), small) | st.none(),
    mutate=_set_mutate,
    read=lambda value: value.elements(),
    note=_set_note,
    shows=_texts,
)


def _map_of(inner: dict[Any, Subject]) -> Subject:
    """The map whose fields hold values of these types."""
    by_kind = {type_.KIND: subject for type_, subject in inner.items()}

    def change(type_: Any) -> st.SearchStrategy[Any]:
        return st.tuples(st.sampled_from([b"k", b"l"]), st.just(type_), inner[type_].actions | st.just("remove"))

    def mutate(value: ORMap, actor: Actor, action: Any) -> ORMap:
        key, type_, step = action
        if step == "remove":
            return value.remove(key, type_)
        return value.update(key, type_, lambda held: inner[type_].mutate(held, actor, step))

    def note(action: Any, log: Log, rank: Rank) -> Note:
        key, type_, step = action
        place = (key, type_.KIND)
        held = [logged.below() for logged in log if logged.note.place[0] == place]
        below = Note((), None, _numbers(held)) if step == "remove" else inner[type_].note(step, held, rank)
        return below._replace(place=(place, *below.place))

    def read(value: ORMap) -> Any:
        return {
            (place.key, place.kind): by_kind[place.kind].read(value.at(place.key, by_kind[place.kind].type_))
            for place in value.fields()
        }

    def shows(log: Log) -> Any:
        fields: dict[Any, Log] = {}
        for logged in log:
            fields.setdefault(logged.note.place[0], []).append(logged.below())
        return {place: by_kind[place[1]].shows(held) for place, held in fields.items()}

    return Subject(
        type_=ORMap,
        actions=st.sampled_from(list(inner)).flatmap(change),
        mutate=mutate,
        read=read,
        note=note,
        shows=shows,
    )


_FLAT = {subject.type_: subject for subject in (OR_COUNTER, LWW_REGISTER, MV_REGISTER, OR_SET)}

OR_MAP = _map_of({**_FLAT, ORMap: _map_of(_FLAT)})

SUBJECTS = (G_COUNTER, PN_COUNTER, *_FLAT.values(), OR_MAP)
