"""The creator is lost before it handed over: nodes draft a block, root keys sign it, the others go on alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from consensus.blocks import Core, RenewTx, block_hash, encode_tx, sign_core
from consensus.certificates import YEAR_MS, make_member_cert
from consensus.membership import MemberState
from mesh.protocol.commands import (
    DraftTakeover,
    FailureKind,
    GetStatus,
    MemoryGet,
    Outcome,
    Renew,
    TakeOver,
)
from mesh.protocol.effects import Send
from tests.support.governed import propose, refused, result, voting
from tests.support.lost_creator import READY, of_before, start
from tests.support.small_swarms import CREATORS_RULE, Town
from tests.support.small_world import WALL_START_MS, Disk, Host
from tests.support.takeovers import OTHERS
from wire import cbor
from wire.ids import PeerId, swarm_id_of
from wire.keys import SigningKey
from wire.time import SECOND
from wire.types import ContentType, MessageType


@pytest.fixture
def town() -> Town:
    """All but alpha run, updated."""
    town = of_before(*OTHERS)
    start(town, *OTHERS)
    return town


def draft(town: Town, name: str) -> Any:
    return result(town.world.ask(town[name], DraftTakeover()))


def row(town: Town, drafted: Any, name: str, key: SigningKey | None = None) -> str:
    """What the operator of a swarm brings: made of the request alone, far from any node."""
    block = bytes.fromhex(drafted["block"])
    epoch = town.node(next(one for one in OTHERS if town[one].machine)).context.chain.epoch
    core = Core(bytes.fromhex(drafted["federation_id"]), epoch, 0, drafted["height"], block_hash(block))
    root = town.swarms[name].root
    return (swarm_id_of(root.public) + sign_core(core, key or root, ContentType.TAKEOVER)).hex()


def submit(town: Town, name: str, drafted: Any, signers: Iterable[str]) -> Outcome:
    rows = tuple(row(town, drafted, signer) for signer in signers)
    return town.world.ask(town[name], TakeOver(block=drafted["block"], signatures=rows))


def states(town: Town, name: str) -> dict[str, MemberState]:
    return {member.name: member.state for member in town.node(name).context.chain.members()}


def governed(town: Town) -> bool:
    return all(node.context.chain.governed and node.deciding.replica.voting for node in town.nodes())


def test_the_others_take_over_and_decide(town: Town) -> None:
    federation = town.node("beta").context.federation
    drafted = draft(town, "beta")
    assert draft(town, "gamma") == drafted, "whoever drafts it drafts the same"
    assert (drafted["creator"], drafted["needed"], len(drafted["members"])) == ("alpha", 3, 4)
    assert (drafted["supporters"], drafted["learners"], drafted["out_of_reach"]) == (
        sorted(OTHERS),
        ["alpha"],
        ["alpha"],
    )
    done = result(submit(town, "delta", drafted, OTHERS))
    assert (done["height"], done["signed_by"], done["voters"]) == (drafted["height"], sorted(OTHERS), sorted(OTHERS))
    assert town.node("delta").deciding.replica.voting, "it goes on at once, whoever speaks next"
    town.world.run_until(lambda: governed(town))
    assert {node.context.federation for node in town.nodes()} == {federation}
    assert states(town, "gamma") == {"alpha": MemberState.LEARNER, **dict.fromkeys(OTHERS, MemberState.ACTIVE)}
    values: Any = result(town.world.ask(town["gamma"], MemoryGet(key="plan")))["values"]
    assert values == {"alpha": "by alpha"}
    assert result(propose(town, "beta"))["status"] == "APPROVED"


def test_it_is_there_after_every_node_was_killed(town: Town) -> None:
    drafted = draft(town, "beta")
    result(submit(town, "beta", drafted, OTHERS))
    town.world.run(SECOND)
    for name in OTHERS:
        town.world.crash(town[name])
    start(town, *OTHERS)
    assert governed(town)
    assert result(propose(town, "gamma"))["status"] == "APPROVED"


def test_who_was_away_follows_and_gets_its_vote(town: Town) -> None:
    town.world.stop(town["delta"])
    town.world.run(SECOND)
    drafted = draft(town, "beta")
    assert (drafted["learners"], drafted["out_of_reach"]) == (["alpha", "delta"], ["alpha", "delta"])
    result(submit(town, "beta", drafted, OTHERS))
    town.world.run_until(lambda: governed(town))
    assert states(town, "beta")["delta"] is MemberState.LEARNER
    start(town, "delta")
    town.world.run_until(lambda: states(town, "delta")["delta"] is MemberState.ACTIVE)


def test_a_creator_that_comes_back_follows_and_is_one_of_the_queens(town: Town) -> None:
    result(submit(town, "beta", draft(town, "beta"), OTHERS))
    town.world.run_until(lambda: governed(town))
    start(town, "alpha")
    town.world.run_until(lambda: all(voting(node) for node in town.nodes()))
    town.settle()
    assert result(propose(town, "alpha"))["status"] == "APPROVED"


def test_a_creator_in_a_new_term_waits_for_the_blocks_that_others_show(town: Town) -> None:
    """It would order that term itself, at a height that is taken."""
    drafted = draft(town, "beta")
    result(submit(town, "beta", drafted, OTHERS))
    town.world.run_until(lambda: governed(town))
    town.world.tamper = without_blocks
    begin_anew(town)
    assert len(town.node("alpha").context.links.members()) == len(OTHERS)
    assert town.node("alpha").context.chain.height == drafted["height"] - 1
    town.world.tamper = None
    assert result(propose(town, "beta"))["status"] == "APPROVED"
    is_back(town)
    assert not any("offence" in name for node in town.nodes() for name in node.context.counters)


def without_blocks(host: Host, peer: PeerId, send: Send) -> bytes | None:
    """CHAIN_BLOCKS are on their way for long."""
    code, _ = cbor.decode(send.message)  # type: ignore[misc]
    return None if code == MessageType.CHAIN_BLOCKS else send.message


def begin_anew(town: Town) -> None:
    """`zenmesh recover --new-term`, and its node starts."""
    alpha = town.swarms["alpha"]
    alpha.term = 2
    alpha.certify(town.node("beta").context.federation)
    start(town, "alpha")


def is_back(town: Town) -> None:
    town.world.run_until(lambda: all(voting(node) for node in town.nodes()))
    town.settle()
    assert town.node("beta").context.chain.creator.term == 2


def test_a_creator_that_was_cut_off_and_went_on_is_on_a_fork(town: Town) -> None:
    """Each side keeps the block that it heard first, and takes the other one for an offence."""
    drafted = draft(town, "beta")
    town.world.partition([town["alpha"]], [town[name] for name in OTHERS])
    start(town, "alpha", config=CREATORS_RULE)
    result(town.world.ask(town["alpha"], renewal(town)))
    assert town.node("alpha").context.chain.height == drafted["height"]
    town.config = READY
    result(submit(town, "beta", drafted, OTHERS))
    town.world.run_until(lambda: all(town.node(name).context.chain.governed for name in OTHERS))
    assert result(propose(town, "beta"))["status"] == "APPROVED", "the others go on"
    town.world.heal()
    town.world.run(60 * SECOND)
    assert not town.node("alpha").context.chain.governed
    assert town.node("alpha").context.counters["offence_chain"] > 0
    assert result(propose(town, "gamma"))["status"] == "APPROVED"
    town.world.stop(town["alpha"])
    town["alpha"].disk = Disk()  # its chain is given up, and the root key begins a new term
    begin_anew(town)
    is_back(town)


def renewal(town: Town) -> Renew:
    """What alpha's operator does while its node hears nobody."""
    alpha = town.swarms["alpha"]
    certificate = make_member_cert(
        federation=town.node("beta").context.federation,
        name="alpha",
        project="demo",
        root=alpha.root,
        term=1,
        queen_key=alpha.queen().public,
        peer=alpha.peer,
        not_after_ms=WALL_START_MS + YEAR_MS + 1,
    )
    return Renew(certificate=certificate.hex())


# what people are told


def said(outcome: Outcome) -> str:
    failure = refused(outcome)
    assert failure.kind in (FailureKind.REJECTED, FailureKind.NO_QUORUM, FailureKind.USAGE)
    return failure.message


def test_status_says_what_would_mend_it(town: Town) -> None:
    status: Any = result(town.world.ask(town["beta"], GetStatus()))
    remedy = "start its node; where it is lost for good, 3 of 4 root keys take over: `zenmesh takeover request`"
    assert status["consensus"]["handover"]["remedy"] == remedy
    assert (status["quorum"]["state"], status["quorum"]["remedy"]) == ("MINORITY", remedy)


def test_nobody_takes_over_from_a_creator_that_is_in_reach(town: Town) -> None:
    drafted = draft(town, "beta")
    start(town, "alpha", config=CREATORS_RULE)
    for outcome in (town.world.ask(town["beta"], DraftTakeover()), submit(town, "beta", drafted, OTHERS)):
        assert "alpha, which governs this federation, is in reach" in said(outcome)
    assert "this is the creator's node" in said(town.world.ask(town["alpha"], DraftTakeover()))
    assert not town.node("beta").context.chain.governed


def test_nobody_takes_over_from_queens(town: Town) -> None:
    drafted = draft(town, "beta")
    result(submit(town, "beta", drafted, OTHERS))
    for outcome in (town.world.ask(town["beta"], DraftTakeover()), submit(town, "beta", drafted, OTHERS)):
        assert "the queens of this federation govern already" in said(outcome)


def test_nobody_takes_over_for_nobody() -> None:
    town = of_before(*OTHERS)
    start(town, *OTHERS, config=CREATORS_RULE)
    assert "no queen is ready to govern" in said(town.world.ask(town["beta"], DraftTakeover()))


def test_who_may_not_sign_drafts_nothing(town: Town) -> None:
    """Its own queen would not be among those who govern."""
    for name in OTHERS[1:]:
        town.world.stop(town[name])
    town.world.crash(town["beta"])
    town.world.start(town["beta"])
    told = said(town.world.ask(town["beta"], DraftTakeover()))
    assert "no request was made: read-only: asking the other members" in told


def test_who_is_behind_drafts_nothing(town: Town) -> None:
    """A later block of the creator that somebody holds comes first."""
    town.node("beta").context.links.members()[0].height += 1
    assert "has a later block than this node: ask again" in said(town.world.ask(town["beta"], DraftTakeover()))


def test_two_thirds_are_too_few(town: Town) -> None:
    outcome = submit(town, "beta", draft(town, "beta"), ["beta", "gamma", "gamma"])
    assert refused(outcome).kind is FailureKind.NO_QUORUM
    assert "2 of 4 members have signed, and it takes 3: have others sign the same request, of alpha, delta" in said(
        outcome
    )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param(lambda rows: [*rows[:2], rows[2][:-2] + "00"], "the signature of", id="a changed signature"),
        pytest.param(lambda rows: [*rows[:2], rows[2][:-2]], "the signature of", id="a signature that was cut"),
        pytest.param(lambda rows: [rows[0][:32] + rows[1][32:], *rows], "not by its root key", id="another's"),
        pytest.param(lambda rows: [*rows, "00" * 80], "is no member of this federation", id="a stranger's"),
        pytest.param(lambda rows: [*rows, "what"], "no hexadecimal text", id="no signature"),
    ],
)
def test_a_signature_that_does_not_count_is_named(town: Town, spoil: Any, why: str) -> None:
    drafted = draft(town, "beta")
    rows = spoil([row(town, drafted, name) for name in OTHERS])
    outcome = town.world.ask(town["beta"], TakeOver(block=drafted["block"], signatures=tuple(rows)))
    assert why in said(outcome)
    assert not town.node("beta").context.chain.governed


def test_a_queens_key_is_no_root_key(town: Town) -> None:
    drafted = draft(town, "beta")
    rows = tuple(row(town, drafted, name, town.swarms[name].queen()) for name in OTHERS)
    outcome = town.world.ask(town["beta"], TakeOver(block=drafted["block"], signatures=rows))
    assert "not by its root key" in said(outcome)


def test_a_block_that_does_not_follow_is_drafted_anew(town: Town) -> None:
    drafted = {**draft(town, "beta"), "block": "00"}
    assert "make a request anew" in said(submit(town, "beta", drafted, OTHERS))


def test_root_keys_order_nothing_else(town: Town) -> None:
    """A block that the creator could order, with the signatures for it."""
    chain = town.node("beta").context.chain
    renewed = encode_tx(RenewTx(bytes.fromhex(renewal(town).certificate)))
    drafted = {**draft(town, "beta"), "block": chain.draft([renewed], 0).block.hex()}
    assert "nobody took over: " in said(submit(town, "beta", drafted, OTHERS))
    assert chain.height + 1 == drafted["height"]


def test_three_need_the_root_key_of_the_creator_too() -> None:
    town = of_before("beta", "gamma")
    start(town, "beta", "gamma")
    drafted = draft(town, "beta")
    assert "2 of 3 members have signed, and it takes 3: have others sign the same request, of alpha" in said(
        submit(town, "beta", drafted, ["beta", "gamma"])
    )
    result(submit(town, "beta", drafted, ["alpha", "beta", "gamma"]))
    town.world.run_until(lambda: governed(town))
    assert result(propose(town, "beta"))["status"] == "APPROVED"
