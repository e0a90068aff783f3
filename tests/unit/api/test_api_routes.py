"""What the control API accepts and refuses, before a node sees it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.api import routes
from mesh.protocol.commands import (
    DraftTakeover,
    Failure,
    FailureKind,
    GetDecisions,
    GetMembers,
    GetProposals,
    GetStatus,
    Invite,
    Join,
    Leave,
    MemoryGet,
    MemoryPut,
    Propose,
    Success,
    TakeOver,
    Vote,
)

FEDERATION = "ab" * 32

ACCEPTED = [
    ("status", b"", GetStatus()),
    ("status", b"{}", GetStatus()),
    ("invite", b"", Invite()),
    ("invite", b'{"expires_s": 60}', Invite(expires_s=60)),
    ("memory/get", b'{"key": "k"}', MemoryGet(key="k")),
    ("memory/get", b'{"key": "k", "swarm": null}', MemoryGet(key="k")),
    ("memory/put", b'{"key": "k", "value": {"b":1.50}}', MemoryPut(key="k", value=b'{"b":1.50}')),
    ("memory/put", b'{"key": "k", "value": null}', MemoryPut(key="k", value=b"null")),
    ("join", json.dumps({"lan": True, "federation": FEDERATION}).encode(), Join(lan=True, federation=FEDERATION)),
    ("join", b'{"peer": "/ip4/1.2.3.4/tcp/1/p2p/12D3"}', Join(peer="/ip4/1.2.3.4/tcp/1/p2p/12D3")),
    ("members", b"", GetMembers()),
    ("proposals", b"", GetProposals()),
    ("leave", b"{}", Leave()),
    ("takeover/request", b"", DraftTakeover()),
    (
        "takeover/submit",
        json.dumps({"block": "ab" * 60_000, "signatures": ["cd"]}).encode(),
        TakeOver(block="ab" * 60_000, signatures=("cd",)),
    ),
    ("decisions", b"", GetDecisions()),
    ("decisions", b'{"since": 7}', GetDecisions(since=7)),
    ("decisions", b'{"proposal": "0af3"}', GetDecisions(proposal="0af3")),
    ("vote", b'{"proposal": "0a", "choice": "reject"}', Vote(proposal="0a", choice="reject")),
    (
        "propose",
        b'{"subject": "FEDERATION_POLICY", "action": "expel", "details": {"swarm": "ab"}, "wait": true}',
        Propose(subject="FEDERATION_POLICY", action="expel", details={"swarm": "ab"}, wait=True),
    ),
]

REFUSED = [
    ("no_such", b"", "no operation"),
    ("status", b'{"x": 1}', "no field 'x'"),
    ("status", b"[]", "not a JSON object"),
    ("status", b"\xff", "not a JSON object"),
    ("memory/put", b'{"key": "k"}', "needs the field 'value'"),
    ("memory/put", b'{"key": 1, "value": 1}', "key: Expected `str`"),
    ("memory/put", b'{"key": "k", "value": 1, "replicated": "yes"}', "replicated: Expected `bool`"),
    ("memory/put", b'{"key": "k", "value": "\\ud800"}', "not a JSON object"),
    ("memory/put", b'{"key": "k", "value": %s}' % (b"[" * 65 + b"]" * 65), "nested deeper"),
    ("memory/put", b'{"key": "k", "value": %s}' % (b"[" * 9000 + b"]" * 9000), "recursion"),
    ("memory/get", b'{"key": "%s"}' % (b"k" * 5000), "at most 4096"),
    ("invite", b'{"expires_s": 0}', "expires_s"),
    ("invite", b'{"expires_s": 1000000000000000000}', "expires_s"),
    ("join", b'{"federation": "xyz"}', "not a federation id"),
    ("decisions", b'{"since": -1}', "a height is 0 or more"),
    ("decisions", b'{"proposal": ""}', "1 to 32 hexadecimal digits"),
    ("decisions", b'{"proposal": "0AF3"}', "1 to 32 hexadecimal digits"),
    ("vote", b'{"proposal": "0a", "choice": "maybe"}', "one of approve, reject, abstain"),
    ("takeover/submit", b'{"block": "%s", "signatures": []}' % (b"ab" * 66_561), "at most 133120 are taken"),
    ("takeover/submit", b'{"block": "ab"}', "needs the field 'signatures'"),
    ("takeover/submit", b'{"block": "ab", "signatures": "ab"}', "signatures: Expected `array`"),
    ("vote", b'{"proposal": "0a"}', "needs the field 'choice'"),
    ("vote", b'{"proposal": "0a", "choice": "reject", "reason": "%s"}' % (b"x" * 513), "at most 512"),
    ("propose", b'{"subject": "WEATHER", "action": "a", "details": {}}', "one of RESOURCE_ALLOCATION"),
    ("propose", b'{"subject": "PRIORITY_CHANGE", "action": "a", "details": []}', "details: Expected `object`"),
    (
        "propose",
        b'{"subject": "PRIORITY_CHANGE", "action": "a", "details": {}, "deadline_s": 604801}',
        "it must be 1 to 604800",
    ),
    ("join", b'{"peer": "1.2.3.4:4001"}', "not a multiaddr"),
]


@pytest.mark.parametrize(("name", "body", "operation"), ACCEPTED, ids=[f"{n} {b[:30]!r}" for n, b, _ in ACCEPTED])
def test_accepted(name: str, body: bytes, operation: object) -> None:
    assert routes.parse(name, body) == operation


@pytest.mark.parametrize(("name", "body", "reason"), REFUSED, ids=[f"{n} {b[:40]!r}" for n, b, _ in REFUSED])
def test_refused(name: str, body: bytes, reason: str) -> None:
    with pytest.raises(routes.BadRequest, match=reason):
        routes.parse(name, body)


@given(st.sampled_from(sorted(routes.OPERATIONS)), st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(name: str, body: bytes) -> None:
    with contextlib.suppress(routes.BadRequest):
        assert isinstance(routes.parse(name, body), routes.OPERATIONS[name])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_a_value_arrives_as_the_text_that_was_sent(value: object) -> None:
    text = json.dumps(value)
    operation = routes.parse("memory/put", f'{{"key": "k", "value": {text} }}'.encode())
    assert isinstance(operation, MemoryPut)
    assert json.loads(operation.value) == value


def test_every_failure_kind_has_its_status_code() -> None:
    assert set(routes.STATUS_CODES) == set(FailureKind)


def test_answers() -> None:
    assert routes.answer(Success(result={"a": 1})) == (200, {"ok": True, "result": {"a": 1}})
    status, body = routes.answer(Failure(kind=FailureKind.NO_QUORUM, message="m", retry_after_s=1.5))
    assert status == 503
    assert body == {
        "ok": False,
        "error": {"kind": "no_quorum", "code": 5, "message": "m", "retry_after_s": 1.5},
    }


def test_the_table_of_operations_is_whole() -> None:
    source = Path(routes.__file__).read_text()
    for kind in routes.OPERATIONS.values():
        assert kind.__name__ in source
    assert len(set(routes.OPERATIONS.values())) == 18


def test_what_changes_nothing_and_has_no_fields_may_be_asked_for_by_get() -> None:
    by_get = [name for name in routes.OPERATIONS if routes.by_get(name)]
    assert by_get == ["status", "peers", "members", "proposals", "takeover/request"]


def test_who_waits_for_a_decision_is_given_the_time_that_it_may_take() -> None:
    proposal = Propose(subject="PRIORITY_CHANGE", action="set_priority", details={}, deadline_s=600, wait=True)
    assert routes.patience_s(proposal) > 600
    assert routes.patience_s(GetStatus()) == 0
