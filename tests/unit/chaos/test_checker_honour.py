"""The honour of the honest, as a checker sees it: nobody charges them, and nobody closes a link for what they are."""

from __future__ import annotations

import pytest

from chaos.checkers.honour import Honour
from mesh.protocol.effects import Disconnect, Effect, Penalize, Publish
from tests.support.hand_made import HOMES, Is, Releases, Rule, Stage
from wire.errors import Offence
from wire.ids import PeerId

GOSSIP = Publish(topic="state", message=b"something")


def charged(whom: str, offence: Offence = Offence.SIGNATURE) -> Effect:
    return Penalize(peer=HOMES[whom].peer, offence=offence, detail="for no reason")


def closed(whom: str, reason: str = "not-a-member") -> Effect:
    peer = HOMES[whom].peer if whom in HOMES else PeerId(whom)
    return Disconnect(peer=peer, reason=reason)


RULES = {
    "nobody charges the honest": Rule(
        checker=Honour,
        good=(Is("s2", byzantine=True), Releases("s1", charged("s2")), Releases("s1", GOSSIP)),
        bad=(Releases("s1", charged("s2")),),
        said=("it charges s2, which is honest, with signature: for no reason",),
    ),
    "a liar may say what it likes": Rule(
        checker=Honour,
        good=(Is("s1", byzantine=True), Releases("s1", charged("s2"))),
        bad=(Is("s1", byzantine=True), Releases("s3", charged("s2"))),
        said=("it charges s2, which is honest, with signature: for no reason",),
    ),
    "who forgot what it signed contradicts itself": Rule(
        checker=Honour,
        good=(Is("s2", robbed=True), Releases("s1", charged("s2", Offence.FORK))),
        bad=(Is("s2", rotten=True), Releases("s1", charged("s2", Offence.FORK))),
        said=("it charges s2, which is honest, with fork: for no reason",),
    ),
    "clocks may differ": Rule(
        checker=Honour,
        good=(Releases("s1", charged("s2", Offence.FUTURE_CLOCK)),),
        bad=(Releases("s1", charged("s2", Offence.REPLAY)),),
        said=("it charges s2, which is honest, with replay: for no reason",),
    ),
    "nobody closes a link to the honest": Rule(
        checker=Honour,
        good=(Is("s2", byzantine=True), Releases("s1", closed("s2")), Releases("s1", closed("somebody"))),
        bad=(Releases("s1", closed("s2")), Is("s1", byzantine=True), Releases("s1", closed("s3"))),
        said=("it closes its link to s2, which is honest: not-a-member",),
    ),
    **{
        f"but for what is nobody's fault: {reason}": Rule(
            checker=Honour,
            good=(Releases("s1", closed("s2", reason)),),
            bad=(Releases("s1", closed("s2", f"banned: {reason}")),),
            said=(f"it closes its link to s2, which is honest: banned: {reason}",),
        )
        for reason in ("no answer to 6 probes", "no HELLO in time: a lane", "too many links", "its place is needed")
    },
    "or after it forgot who is a member": Rule(
        checker=Honour,
        good=(Is("s1", rotten=True), Releases("s1", closed("s2"))),
        bad=(Is("s2", rotten=True), Releases("s1", closed("s2"))),
        said=("it closes its link to s2, which is honest: not-a-member",),
    ),
    "strangers have no honour": Rule(
        checker=Honour,
        good=(Releases("s1", Penalize(peer="somebody", offence=Offence.DECODE, detail="garbage")),),
        bad=(Releases("s1", charged("s3", Offence.DECODE)),),
        said=("it charges s3, which is honest, with decode: for no reason",),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_who_is_honest_is_left_alone(rule: str) -> None:
    assert Stage(RULES[rule].checker).play(*RULES[rule].good) == []


@pytest.mark.parametrize("rule", RULES)
def test_who_convicts_the_honest_is_found(rule: str) -> None:
    assert tuple(Stage(RULES[rule].checker).play(*RULES[rule].bad)) == RULES[rule].said
