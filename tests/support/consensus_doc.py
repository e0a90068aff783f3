"""What `docs/consensus.md` shows of the code: who says what, what a member's standing may become, what is bounded.

The tables are worked out by asking the code, not by copying it: transitions of a member are tried, thresholds are
reached or not, so that a changed rule changes the document. `tests.support.protocol_doc` writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from consensus.bft.desk import ReplicaConfig
from consensus.genesis import Params
from consensus.governance.actions import ACTIONS, Scene
from consensus.governance.proposals import Subject
from consensus.governance.standing import Standing
from consensus.membership import VOTING, Member, Membership, MemberState, Term
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.validators import Validator, ValidatorSet
from mesh.protocol.config import PROFILES, NodeConfig
from mesh.protocol.detector import Health
from mesh.protocol.reach import QuorumState
from tests.support.explored import rows
from tests.support.protocol_tables import table
from wire import keys
from wire.errors import RemoteError
from wire.ids import PeerId, PublicKey, SwarmId
from wire.time import MILLISECOND, SECOND
from wire.types import REGISTRY, MessageType

_NOWHERE = "–"
_MANY = ReplicaConfig().all_to_all + 1  # validators, from whom on votes are collected
_SAYS = {
    MessageType.TX_SUBMIT: ("whoever wants something ordered", "the leader and the next one; a proposal: everyone"),
    MessageType.PRE_PREPARE: ("the leader", "everyone"),
    MessageType.PREPARE: ("who accepts the block", f"everyone; from {_MANY} on the leader"),
    MessageType.COMMIT: ("who saw a quorum prepare it", f"everyone; from {_MANY} on the leader"),
    MessageType.CERTIFICATE: (f"the leader, from {_MANY} on", "everyone"),
    MessageType.VIEW_CHANGE: ("who gives up on the view", "everyone"),
    MessageType.NEW_VIEW: ("the leader of the new view", "everyone"),
    MessageType.HEARD: ("whoever meets a queen", "her: what she said"),
    MessageType.CHAIN_BLOCKS: ("who is ahead", "who is behind"),
    MessageType.PROBE_REQUEST: ("who gets no answer", "three others"),
    MessageType.PROBE_REPORT: ("who got one", "who asked"),
    MessageType.ACCUSE: ("who suspects", "everyone, and gossip"),
}


def _decided(name: str) -> Callable[[Membership, SwarmId], Membership]:
    """What an approved action about a member makes of it."""

    def effect(membership: Membership, swarm: SwarmId) -> Membership:
        scene = Scene(
            membership=membership,
            standing=Standing(params=Params()),
            proposal=bytes(16),
            time_ms=0,
            federation=bytes(32),
            verify=keys.verify,
        )
        details = ACTIONS[name].layout(swarm=swarm.hex(), reason="r")
        return ACTIONS[name].effect(scene, details)[0]

    return effect


_MOVES: dict[str, Callable[[Membership, SwarmId], Membership]] = {
    "PROMOTE": lambda membership, swarm: membership.promote(swarm),
    "LEAVE": lambda membership, swarm: membership.leave(swarm),
    "expel": _decided("expel"),
    "reinstate": _decided("reinstate"),
}


def messages() -> str:
    """Who says what to whom."""
    rows = [[kind.name, *_SAYS[kind], REGISTRY[kind].signer] for kind in _SAYS]
    return table(["message", "by", "to", "vouched for by"], rows)


def standings() -> str:
    """What a member's standing becomes by each transaction, as the fold of the chain has it."""
    rows = []
    for state in MemberState:
        became = [state.name]
        for move in _MOVES.values():
            became.append(_after(state, move))
        became.insert(1, str(int(state)))
        rows.append([*became, "yes" if _votes(state) else "no", "yes" if _counts(state) else "no"])
    return table(["standing", "number", *_MOVES, "votes", "counts in the total of four"], rows)


def diagram() -> str:
    """The same as a diagram, with what proofs do: SUSPEND by accusations, QUARANTINE by evidence."""
    arrows = [f"    [*] --> {MemberState.LEARNER.name}: JOIN, admit"]
    for state in MemberState:
        for name, move in _MOVES.items():
            if (after := _after(state, move)) != _NOWHERE:
                arrows.append(f"    {state.name} --> {after}: {name}")
    arrows.append(f"    {MemberState.LEFT.name} --> {MemberState.LEARNER.name}: JOIN, in a later term")
    for state in VOTING:
        arrows.append(f"    {state.name} --> {MemberState.EXPIRED.name}: EXPIRE")
        arrows.append(f"    {state.name} --> {MemberState.SUSPENDED.name}: SUSPEND")
        arrows.append(f"    {state.name} --> {MemberState.TAKING_OVER.name}: FAILOVER")
    arrows += [
        f"    {state.name} --> {MemberState.QUARANTINED.name}: QUARANTINE"
        for state in (MemberState.LEARNER, MemberState.SUSPENDED, MemberState.EXPIRED, *VOTING)
    ]
    arrows.append(f"    {MemberState.EXPIRED.name} --> {MemberState.ACTIVE.name}: RENEW, TERM_BUMP")
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```", ""])


def thresholds() -> str:
    """What it takes in federations of equal weights."""
    rows = []
    for size in (1, 2, 3, 4, 5, 7, 10, 31, 100):
        rule = QuorumRule(QuorumSetting.AUTO, size)
        one = Validator(swarm=SwarmId(bytes(16)), term=1, key=PublicKey(bytes(32)), weight=1)
        voters = ValidatorSet(epoch=0, validators=(one,) * size, rule=rule)
        faults = [voters.crashes_tolerated, voters.liars_tolerated]
        rows.append([str(size), rule.name.value, str(rule.needed(size)), *map(str, faults)])
    return table(["members", "rule", "a decision takes", "may be down", "may lie"], rows)


def subjects() -> str:
    """What is decided, and by how much."""
    quorum = {Subject.FEDERATION_POLICY: "the quorum of the epoch"}
    rows = []
    for subject in Subject:
        names = ", ".join(f"`{name}`" for name, action in ACTIONS.items() if action.subject is subject)
        rows.append([subject.value, names, quorum.get(subject, "more than half of the weight")])
    return table(["subject", "actions", "approved by"], rows)


def powers() -> str:
    """What may be done with how much in reach."""
    reached = ("a quorum", "more than half", "half or less")
    rows = [
        [state.value, weight, ", ".join(power.value for power in state.powers)]
        for state, weight in zip(QuorumState, reached, strict=True)
    ]
    return table(["state", "weight in reach", "what a node may do"], rows)


def durations() -> str:
    """The clocks of deciding and of detection."""
    replica, config = ReplicaConfig(), NodeConfig()
    least, most = _time(replica.batch_delay), _time(replica.batch_patience)
    rows = {
        "a leader waits for ballots": f"as long as a round takes, {least} to {most}",
        "a view, at first": f"{_time(replica.pace.floor)}, or 4 × the slowest of the last rounds",
        "a view, at most": _time(replica.pace.cap),
        "what was said last is said again": _time(replica.repeat),
        "a block's time and the wall clock differ by": f"{replica.clock_window_ms // 1000} s at most",
        "votes go to everyone": f"up to {replica.all_to_all} validators",
        "a transaction is sent again": _time(config.submit_retry),
        "a member is failed before it is suspended": _time(config.suspend_after),
        "it is accused again": _time(config.accuse_again),
        **{
            f"a silent member is suspected ({name.value})": _time(profile.probe * profile.missed_probes)
            for name, profile in PROFILES.items()
        },
    }
    return table(["what", "how long"], [list(row) for row in rows.items()])


def health() -> str:
    """The words for how a member is, in order of severity."""
    rows = {
        Health.ACTIVE: ("it answers", "silent for the time of the profile"),
        Health.SUSPECTED: ("this node accuses it", "accused by more than half of the others' weight"),
        Health.FAILED: ("many accuse it", "still failed after a while: SUSPEND is ordered"),
        Health.SUSPENDED: ("it has no vote", "PROMOTE: it proves that it is alive"),
        Health.TAKING_OVER: ("a backup is its queen, and votes", "PROMOTE: it is in step"),
        Health.QUARANTINED: ("it has no vote", "`reinstate`, by decision"),
        Health.EXPIRED: ("it has no vote: its certificate has ended", "RENEW, by the root key"),
    }
    return table(["health", "meaning", "what ends it"], [[word.value, *rows[word]] for word in Health])


def explored() -> str:
    """How much of what may happen to four queens, one of them doubled, is tried out."""
    return table(["explored by", "in", "schedules", "states"], list(rows()))


CONSENSUS_TABLES: dict[str, Callable[[], str]] = {
    "consensus-messages": messages,
    "consensus-standings": standings,
    "consensus-diagram": diagram,
    "consensus-thresholds": thresholds,
    "consensus-subjects": subjects,
    "consensus-powers": powers,
    "consensus-durations": durations,
    "consensus-health": health,
    "consensus-explored": explored,
}


def _four(state: MemberState) -> tuple[Membership, SwarmId]:
    """Four members, of whom the first has this standing."""
    everyone = {SwarmId(bytes([n]) * 16): _member(n, MemberState.ACTIVE) for n in range(1, 5)}
    first = SwarmId(bytes([1]) * 16)
    everyone[first] = replace(everyone[first], state=state)
    return Membership(setting=QuorumSetting.AUTO, everyone=everyone).weighed(), first


def _member(number: int, state: MemberState) -> Member:
    key = PublicKey(bytes([number]) * 32)
    return Member(
        swarm=SwarmId(bytes([number]) * 16),
        name=f"m{number}",
        project="p",
        root_key=key,
        state=state,
        weight=1,
        certified_weight=1,
        term=1,
        terms={1: Term(queen_key=key, peer=PeerId(f"peer{number}"))},
        inviter=None,
        not_after_ms=0,
    )


def _after(state: MemberState, move: Callable[[Membership, SwarmId], Membership]) -> str:
    membership, swarm = _four(state)
    try:
        return move(membership, swarm).everyone[swarm].state.name
    except RemoteError:
        return _NOWHERE


def _votes(state: MemberState) -> bool:
    membership, swarm = _four(state)
    return membership.validators(1).validator(swarm) is not None


def _counts(state: MemberState) -> bool:
    membership, _ = _four(state)
    return membership.validators(1).total == len(membership.everyone)


def _time(microseconds: int) -> str:
    return f"{microseconds // MILLISECOND} ms" if microseconds < SECOND else f"{microseconds / SECOND:g} s"
