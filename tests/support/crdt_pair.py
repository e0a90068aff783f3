"""Two people with a copy each, who act apart and then meet: concurrency in one line per story.

"a+x = a+x b-x"      alice adds x; they meet; alice adds it again while bob removes it (and they meet at the end)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from crdt.types.dots import Actor

ALICE, BOB = Actor(b"alice"), Actor(b"bob")
MEET = "="

ACTOR_OF = {"a": ALICE, "b": BOB}

Step = tuple[Actor, Callable[[Any, Actor], Any]]  # who does it, and the mutator: value, actor → delta


def told(story: str, verbs: dict[str, Callable[[Any, Actor, str], Any]]) -> list[Step | str]:
    """The steps of a story, whose words are who, a verb of one letter, and its object."""
    return [word if word == MEET else (ACTOR_OF[word[0]], _done(verbs[word[1]], word[2:])) for word in story.split()]


def _done(verb: Callable[[Any, Actor, str], Any], what: str) -> Callable[[Any, Actor], Any]:
    return lambda value, actor: verb(value, actor, what)


def outcome(empty: Any, steps: Iterable[Step | str]) -> Any:
    """The value that both have after `steps` and a last meeting."""
    copies = {ALICE: empty, BOB: empty}
    for step in [*steps, MEET]:
        if isinstance(step, str):
            met = copies[ALICE].join(copies[BOB])
            assert met == copies[BOB].join(copies[ALICE])
            copies = {ALICE: met, BOB: met}
        else:
            who, change = step
            copies[who] = copies[who].join(change(copies[who], who))
    return copies[ALICE]
