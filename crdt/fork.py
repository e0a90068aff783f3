"""Forks: two headers that one author signed for one place in its log.

    proof = CBOR [header envelope a, header envelope b]     a < b bytewise, so that a fork has one proof

Whoever holds a proof convinces everyone: the log is cut at the last common record, its row says FORKED, and nothing
after the cut is taken until the federation reinstates the swarm. What stands before the cut stays readable.
"""

from __future__ import annotations

from dataclasses import dataclass

from crdt import batch
from crdt.ops import Author
from wire import cbor
from wire.errors import DecodeError, ProtocolViolation

MAX_PROOF = 4 * 1024


@dataclass(frozen=True, slots=True)
class ForkProof:
    """A parsed proof: same author and seq, different hashes. Signatures are the caller's to verify."""

    first: batch.SignedHeader
    second: batch.SignedHeader
    raw: bytes

    @property
    def author(self) -> Author:
        return self.first.author

    @property
    def seq(self) -> int:
        """The place that has two records; what lies before it is common."""
        return self.first.header.seq


def build(one: bytes, other: bytes) -> bytes:
    """The proof made of two sealed headers."""
    return cbor.encode(sorted((one, other)))


def parse(raw: bytes) -> ForkProof:
    """The proof in `raw`; raises RemoteError where the two headers do not contradict each other."""
    match cbor.decode(raw, MAX_PROOF):
        case [bytes() as one, bytes() as other] if one < other:
            first, second = batch.parse_header(one), batch.parse_header(other)
        case _:
            raise DecodeError("not a fork proof [header, header] in ascending order")
    if first.author != second.author or first.header.seq != second.header.seq:
        raise ProtocolViolation("a fork proof about two different places")
    if first.hash == second.hash:
        raise ProtocolViolation("a fork proof with two equal headers")
    return ForkProof(first, second, raw)
