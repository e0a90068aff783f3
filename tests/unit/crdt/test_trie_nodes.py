"""The trie's shape and hashes, one rule a row. The laws over arbitrary maps are in tests/laws/test_trie_laws.py."""

from __future__ import annotations

from hashlib import sha256

import pytest

from crdt.trie import EMPTY, FANOUT, MAX_DEPTH, SPLIT, Bucket, Inner, Trie, hash_of, nibble

DIGEST = b"d" * 32


def path(prefix: str, number: int = 0) -> bytes:
    """A path that begins with these nibbles."""
    return bytes.fromhex(prefix + "0" * (60 - len(prefix)) + f"{number:04x}")


def crowd(prefix: str, count: int) -> list[tuple[bytes, bytes]]:
    return [(path(prefix, number), DIGEST) for number in range(count)]


@pytest.mark.parametrize(
    ("trie", "preimage"),
    [
        pytest.param(Trie(), b"zenmesh/trie/empty\0", id="empty"),
        pytest.param(Trie(crowd("a", 1)), b"zenmesh/trie/leaf\0" + path("a") + DIGEST, id="one entry"),
        pytest.param(
            Trie([(path("b"), b"2" * 32), (path("a"), b"1" * 32)]),
            b"zenmesh/trie/leaf\0" + path("a") + b"1" * 32 + path("b") + b"2" * 32,
            id="two entries, ascending by path",
        ),
        pytest.param(
            Trie([*crowd("0", SPLIT), *crowd("f", 1)]),
            b"zenmesh/trie/node\0"
            + hash_of(Bucket(tuple(crowd("0", SPLIT))))
            + EMPTY * (FANOUT - 2)
            + hash_of(Bucket(tuple(crowd("f", 1)))),
            id="one entry more than a bucket holds",
        ),
    ],
)
def test_the_root_is_the_hash_of(trie: Trie, preimage: bytes) -> None:
    assert trie.root == sha256(preimage).digest()


def test_the_shape_is_for_ever() -> None:
    assert (SPLIT, MAX_DEPTH, FANOUT) == (16, 8, 16)


@pytest.mark.parametrize(("depth", "expected"), [(0, 0xA), (1, 0xB), (2, 0xC), (3, 0xD)])
def test_nibbles_lead_down_high_half_first(depth: int, expected: int) -> None:
    assert nibble(bytes.fromhex("abcd"), depth) == expected


def test_a_bucket_splits_above_its_bound_and_collapses_again() -> None:
    trie = Trie(crowd("a", SPLIT))
    small = trie.root
    assert isinstance(trie.below(()), Bucket)
    trie.put(path("b"), DIGEST)
    assert isinstance(trie.below(()), Inner)
    trie.remove(path("b"))
    assert isinstance(trie.below(()), Bucket)
    assert trie.root == small


def test_the_deepest_bucket_takes_any_number() -> None:
    trie = Trie(crowd("12345678", 3 * SPLIT))
    deepest = trie.below((1, 2, 3, 4, 5, 6, 7, 8))
    assert isinstance(trie.below((1, 2, 3, 4, 5, 6, 7)), Inner)
    assert deepest == Bucket(tuple(crowd("12345678", 3 * SPLIT)))
    assert len((1, 2, 3, 4, 5, 6, 7, 8)) == MAX_DEPTH


TWO_SIDES = [*crowd("1", SPLIT), *crowd("22", 2)]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        pytest.param((1,), crowd("1", SPLIT), id="a bucket"),
        pytest.param((1, 0, 0), crowd("1", SPLIT), id="beyond a bucket, all of it"),
        pytest.param((1, 5), [], id="beyond a bucket, none of it"),
        pytest.param((2, 2, 0), crowd("22", 2), id="beyond a small bucket"),
        pytest.param((3,), [], id="an empty child"),
        pytest.param((3, 3, 3), [], id="beyond an empty child"),
    ],
)
def test_what_stands_below_a_prefix(prefix: tuple[int, ...], expected: list[tuple[bytes, bytes]]) -> None:
    trie = Trie(TWO_SIDES)
    assert trie.below(prefix) == Bucket(tuple(expected))
    assert trie.hash_below(prefix) == hash_of(Bucket(tuple(expected)))
    assert list(trie.under(prefix)) == expected


def test_an_inner_node_shows_the_hashes_of_its_children() -> None:
    trie = Trie(TWO_SIDES)
    shown = trie.below(())
    assert isinstance(shown, Inner)
    assert list(shown.children) == [trie.hash_below((step,)) for step in range(FANOUT)]
    assert hash_of(shown) == trie.root == trie.hash_below(())


@pytest.mark.parametrize(
    "absent",
    [
        pytest.param(path("1", 999), id="in a bucket"),
        pytest.param(path("3"), id="below an empty child"),
    ],
)
def test_what_is_not_there_is_not_found_and_not_removed(absent: bytes) -> None:
    trie = Trie(TWO_SIDES)
    root = trie.root
    assert trie.get(absent) is None
    trie.remove(absent)
    assert (trie.root, len(trie)) == (root, len(TWO_SIDES))


def test_a_copy_is_independent() -> None:
    trie = Trie(TWO_SIDES)
    copy, root = trie.copy(), trie.root
    copy.put(path("4"), DIGEST)
    copy.remove(path("22"))
    assert (trie.root, len(trie)) == (root, len(TWO_SIDES))
    assert copy.get(path("4")) == DIGEST
