"""Repair towards a root that its owner signed over a trie that no honest owner has."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from crdt.batch import SignedHeader, parse_header
from crdt.owner_log import Limits
from crdt.sync.messages import Tree, TreeNode
from crdt.sync.repair import Repair
from crdt.trie import EMPTY, FANOUT, MAX_DEPTH, Inner, Trie, hash_of
from tests.support.sync_pair import Pair
from wire.errors import ProtocolViolation

CHILD = b"x" * 32


def signed_by_a_liar(root: bytes) -> SignedHeader:
    """The head of an author, with another state root under it."""
    pair = Pair()
    pair.write(pair.left, "alpha", {"k": b"v"})
    [author] = pair.left.logs
    head = pair.left.head(author)
    assert head is not None
    signed = parse_header(head.envelope)
    return replace(signed, header=msgspec.structs.replace(signed.header, state_root=root))


@pytest.mark.parametrize("children", [1, FANOUT - 1])
def test_an_inner_node_of_too_few_children_is_refused_though_its_owner_signed_it(children: int) -> None:
    node = Inner((CHILD,) * children)
    repair = Repair(signed_by_a_liar(hash_of(node)), {}, Trie(), Limits())
    request = repair.next_request()
    answer = TreeNode(prefix=request.prefixes[0], children=node.children, entries=())
    with pytest.raises(ProtocolViolation, match="an impossible trie node"):
        repair.on_tree(Tree(swarm=request.swarm, term=request.term, seq=request.seq, nodes=(answer,)))


def test_a_trie_that_is_deeper_than_paths_are_long_is_refused_though_its_owner_signed_it() -> None:
    nodes = [Inner((CHILD,) * FANOUT)]
    for _ in range(MAX_DEPTH):
        nodes.append(Inner((hash_of(nodes[-1]),) + (EMPTY,) * (FANOUT - 1)))
    repair = Repair(signed_by_a_liar(hash_of(nodes[-1])), {}, Trie(), Limits())
    with pytest.raises(ProtocolViolation, match="an impossible trie node"):
        while True:
            request = repair.next_request()
            told = tuple(
                TreeNode(prefix=prefix, children=nodes[-1 - len(prefix)].children, entries=())
                for prefix in request.prefixes
            )
            repair.on_tree(Tree(swarm=request.swarm, term=request.term, seq=request.seq, nodes=told))
