"""The root is a function of the entries alone, however they came about; every view agrees with a naive definition."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from crdt.trie import EMPTY, FANOUT, MAX_DEPTH, SPLIT, Bucket, Inner, Prefix, Trie, hash_of

Entries = dict[bytes, bytes]

PREFIXES = ["", "a", "ab", "abc0def", "abc0def1"]  # the last one is MAX_DEPTH nibbles long


def crowded_paths() -> list[bytes]:
    """As many as a bucket holds, with a few prefixes in common; and more than that with the longest that counts."""
    spread = [prefix + sha256(f"{prefix} {n}".encode()).hexdigest() for prefix in PREFIXES for n in range(SPLIT)]
    crammed = [f"{PREFIXES[-1]}{n:056x}" for n in range(SPLIT)]
    return sorted(bytes.fromhex(digits[:64]) for digits in spread + crammed)


PATHS = crowded_paths()
DIGESTS = [bytes([n]) * 32 for n in range(3)]
path = st.sampled_from(PATHS)
digest = st.sampled_from(DIGESTS)
maps = st.dictionaries(path, digest, max_size=len(PATHS)) | st.sets(path).map(
    lambda absent: {p: DIGESTS[0] for p in PATHS if p not in absent}
)
prefixes = st.tuples(path, st.integers(0, 12)).map(lambda drawn: nibbles(drawn[0])[: drawn[1]]) | st.lists(
    st.integers(0, 15), max_size=3
).map(tuple)


@cache
def nibbles(raw: bytes) -> Prefix:
    return tuple(int(digit, 16) for digit in raw.hex())


def below(entries: Entries, prefix: Prefix) -> Entries:
    return {p: d for p, d in entries.items() if nibbles(p)[: len(prefix)] == prefix}


def naive_hash(entries: Entries, depth: int = 0) -> bytes:
    """The definition, by recursion over the entries."""
    if not entries:
        return sha256(b"zenmesh/trie/empty\0").digest()
    if len(entries) <= SPLIT or depth == MAX_DEPTH:
        return sha256(b"zenmesh/trie/leaf\0" + b"".join(p + d for p, d in sorted(entries.items()))).digest()
    children = [{p: d for p, d in entries.items() if nibbles(p)[depth] == step} for step in range(FANOUT)]
    return sha256(b"zenmesh/trie/node\0" + b"".join(naive_hash(c, depth + 1) for c in children)).digest()


def naive_node(entries: Entries, prefix: Prefix) -> Bucket | Inner:
    for depth in range(len(prefix) + 1):
        if len(below(entries, prefix[:depth])) <= SPLIT or depth == MAX_DEPTH:
            return Bucket(tuple(sorted(below(entries, prefix).items())))
    steps = [(*prefix, step) for step in range(FANOUT)]
    return Inner(tuple(naive_hash(below(entries, step), len(step)) for step in steps))


def agree(trie: Trie, entries: Entries) -> None:
    assert len(trie) == len(entries)
    assert trie.root == naive_hash(entries)
    assert list(trie.walk()) == sorted(entries.items())


@given(entries=maps, order=st.randoms(use_true_random=False), steps=st.lists(st.tuples(path, st.none() | digest)))
def test_any_way_to_the_same_entries_leads_to_the_same_root(entries: Entries, order: object, steps: object) -> None:
    trie, model = Trie(entries.items()), dict(entries)
    for at, new in steps:  # type: ignore[attr-defined]
        if new is None:
            trie.remove(at)
            model.pop(at, None)
        else:
            trie.put(at, new)
            model[at] = new
        assert trie.get(at) == new
        assert len(trie) == len(model)
    agree(trie, model)

    target = sorted(entries.items())
    order.shuffle(target)  # type: ignore[attr-defined]
    for at in [p for p in model if p not in entries]:
        trie.remove(at)
    for at, new in target:
        trie.put(at, new)
    agree(trie, entries)


@given(entries=maps, target=maps)
def test_many_changes_at_once_lead_to_the_same_as_one_by_one(entries: Entries, target: Entries) -> None:
    trie = Trie(entries.items())
    assert trie.root == naive_hash(entries)  # fills what is kept
    trie.update({at: target.get(at) for at in [*entries, *target]})
    agree(trie, target)


@given(entries=maps)
def test_emptied_one_by_one_it_is_equal_at_every_step(entries: Entries) -> None:
    trie, model = Trie(entries.items()), dict(entries)
    for at in list(entries):
        trie.remove(at)
        del model[at]
        assert trie.root == Trie(model.items()).root
    assert trie.root == EMPTY


@given(one=maps, other=maps)
def test_equal_roots_mean_equal_entries(one: Entries, other: Entries) -> None:
    assert (Trie(one.items()).root == Trie(other.items()).root) == (one == other)


@given(entries=maps, prefix=prefixes)
def test_what_is_shown_below_a_prefix(entries: Entries, prefix: Prefix) -> None:
    trie = Trie(entries.items())
    shown = trie.below(prefix)
    assert shown == naive_node(entries, prefix)
    assert trie.hash_below(prefix) == hash_of(shown)
    assert list(trie.under(prefix)) == sorted(below(entries, prefix).items())


@given(entries=maps, after=path | st.binary(max_size=33))
def test_a_walk_goes_on_where_one_broke_off(entries: Entries, after: bytes) -> None:
    walked = list(Trie(entries.items()).walk(after))
    assert walked == sorted(item for item in entries.items() if item[0] > after)
    assert all(one < other for one, other in pairwise(walked))


@given(entries=maps, changes=st.lists(st.tuples(path, digest), max_size=5), prefix=prefixes)
def test_kept_hashes_never_outlive_a_change(
    entries: Entries, changes: list[tuple[bytes, bytes]], prefix: Prefix
) -> None:
    trie, model = Trie(entries.items()), dict(entries)
    for at, new in changes:
        assert trie.hash_below(prefix) == hash_of(naive_node(model, prefix))  # fills what is kept
        trie.put(at, new)
        model[at] = new
        assert trie.root == naive_hash(model)
