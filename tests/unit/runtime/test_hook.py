"""The hook: a program's answer becomes a vote; whatever else it does is a failure that harms and tells nothing."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from mesh.protocol.commands import Failure, FailureKind, Operation, Outcome, Success, Vote
from mesh.runtime import clock
from mesh.runtime.hook import Hook, HookConfig, HookFailed, consult

SECRET = "token-of-the-operator"


def proposal(number: int = 1, deadline_s: float = 60.0) -> dict[str, Any]:
    return {
        "proposal": f"{number:032x}",
        "action": "set_priority",
        "details": {"target": SECRET},
        "deadline_ms": clock.wall_ms() + int(deadline_s * 1000),
    }


class Node:
    """Takes votes, as it is told to."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.votes: list[Vote] = []

    async def execute(self, operation: Operation) -> Outcome:
        assert isinstance(operation, Vote)
        self.votes.append(operation)
        await trio.lowlevel.checkpoint()
        return self.outcomes.pop(0) if self.outcomes else Success()


def python(code: str, **settings: Any) -> HookConfig:
    """A hook that is a few lines of Python; it has the question in `asked`."""
    program = [sys.executable, "-c", f"import json, os, sys, time\nasked = json.load(sys.stdin)\n{code}", SECRET]
    return HookConfig(program=program, **{"directory": Path("/"), **settings})


def answering(choice: str, **settings: Any) -> HookConfig:
    return python(f"print(json.dumps({{'choice': {choice!r}, 'reason': asked['action']}}))", **settings)


@asynccontextmanager
async def running(config: HookConfig, node: Node) -> AsyncIterator[Hook]:
    hook = Hook(config, node.execute)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hook.run)
        yield hook
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.005)


@pytest.mark.parametrize("choice", ["approve", "reject", "abstain"])
async def test_its_answer_is_a_vote(choice: str) -> None:
    node = Node()
    async with running(answering(choice), node) as hook:
        hook.ask(proposal(7))
        await until(lambda: hook.stats["votes"])
    assert node.votes == [Vote(proposal=f"{7:032x}", choice=choice, reason="set_priority")]
    assert hook.stats == {"questions": 1, "votes": 1}


async def test_it_may_leave_the_vote_to_the_operator() -> None:
    node = Node()
    async with running(answering("ask"), node) as hook:
        hook.ask(proposal())
        await until(lambda: hook.stats["left"])
    assert (node.votes, hook.last_failure) == ([], "")


FAILURES = [
    pytest.param("sys.exit(3)", "it ended with 3", id="exit code"),
    pytest.param("pass", "its answer is not", id="silence"),
    pytest.param("print('approve')", "its answer is not", id="no JSON"),
    pytest.param("print('{}')", "its answer is not", id="no choice"),
    pytest.param("print(json.dumps({'choice': 'maybe'}))", "its answer is not", id="no such choice"),
    pytest.param("print(json.dumps({'choice': 'approve', 'reason': 5}))", "its answer is not", id="reason"),
    pytest.param("print(json.dumps({'choice': 'approve', 'reason': 'x' * 513}))", "more than 512 bytes", id="long"),
    pytest.param("print('[' * 10000)", "its answer is not", id="nested"),
    pytest.param("while True: print('x' * 10000)", "it said more than 16384 bytes", id="endless"),
    pytest.param("os.kill(os.getpid(), 9)", "it ended with -9", id="killed"),
]


@pytest.mark.parametrize(("code", "why"), FAILURES)
async def test_a_failure_is_counted_and_told_without_secrets(
    code: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    node = Node()
    with caplog.at_level(logging.DEBUG):
        async with running(python(f"print({SECRET!r}, file=sys.stderr)\n{code}"), node) as hook:
            hook.ask(proposal(9))
            await until(lambda: hook.stats["failures"])
    assert node.votes == []
    assert why in hook.last_failure
    assert f"proposal {9:032x} is left to `zenmesh vote`" in caplog.text
    assert SECRET not in caplog.text + hook.last_failure


async def test_a_program_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(HookFailed, match="cannot be started: No such file"):
        await consult(HookConfig(program=["/no/such/program"], directory=Path("/")), b"{}")


async def test_it_need_not_read_the_question() -> None:
    code = "import json; print(json.dumps({'choice': 'approve'}))"
    config = HookConfig(program=[sys.executable, "-c", code], directory=Path("/"))
    assert json.loads(await consult(config, b"x" * 10_000_000)) == {"choice": "approve"}


@pytest.mark.parametrize("parent", ["time.sleep(600)", "sys.exit(0)"], ids=["waits", "ends first"])
async def test_its_time_is_bounded_and_its_children_end_with_it(tmp_path: Path, parent: str) -> None:
    child_of = "child = os.fork()\nif child: open('child', 'w').write(str(child))"
    code = f"{child_of}\nif child: {parent}\ntime.sleep(600)"
    with pytest.raises(HookFailed, match="no answer within 2 s"):
        await consult(python(code, directory=tmp_path, timeout_s=2.0), b"{}")
    child = int((tmp_path / "child").read_text())
    await until(lambda: not alive(child))


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_no_more_run_at_once_and_wait_than_may(tmp_path: Path) -> None:
    """Each program waits for a file, until two run: no third one begins before it is there."""
    node = Node()
    code = "while not os.path.exists('go'): time.sleep(0.01)\nprint(json.dumps({'choice': 'approve'}))"
    async with running(python(code, at_once=2, waiting=3, directory=tmp_path), node) as hook:
        for number in range(8):
            hook.ask(proposal(number))
        assert hook.stats["failures"] == 5
        assert hook.last_failure == "3 proposals wait for it already"
        await until(lambda: hook.stats["questions"] == 2)
        await trio.testing.wait_all_tasks_blocked(0.1)
        assert hook.stats["questions"] == 2
        (tmp_path / "go").touch()
        await until(lambda: hook.stats["votes"] == 3)


async def test_a_program_that_others_decided_without_is_ended(tmp_path: Path) -> None:
    """One is at work, one waits its turn and never begins; the third is still of interest."""
    node = Node()
    code = "open(asked['proposal'], 'w')"
    code += "\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('{\"choice\": \"reject\"}')"
    async with running(python(code, at_once=1, directory=tmp_path), node) as hook:
        for number in (1, 2, 3):
            hook.ask(proposal(number))
        await until(lambda: (tmp_path / f"{1:032x}").exists())
        for number in (1, 2, 4):  # nobody was asked about the last one
            hook.conclude(f"{number:032x}")
        (tmp_path / "go").touch()
        await until(lambda: hook.stats["votes"])
    assert [vote.proposal for vote in node.votes] == [f"{3:032x}"]
    assert not (tmp_path / f"{2:032x}").exists()
    assert (hook.stats["overtaken"], hook.stats["failures"], hook.last_failure) == (2, 0, "")


async def test_a_vote_that_came_too_late_is_no_failure() -> None:
    """The node has told what was decided by when it refuses."""

    async def execute(_: Operation) -> Outcome:
        hook.conclude(f"{1:032x}")
        return Failure(kind=FailureKind.USAGE, message="it is APPROVED")

    hook = Hook(answering("approve"), execute)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hook.run)
        hook.ask(proposal(1))
        await until(lambda: hook.stats["overtaken"])
        nursery.cancel_scope.cancel()
    assert (hook.stats["failures"], hook.last_failure) == (0, "")


async def test_a_vote_that_the_node_cannot_take_yet_is_said_again() -> None:
    alone = Failure(kind=FailureKind.NO_QUORUM, message="1 of 3", retry_after_s=0.01)
    node = Node(alone, alone)
    async with running(answering("approve"), node) as hook:
        hook.ask(proposal())
        await until(lambda: hook.stats["votes"])
    assert len(node.votes) == 3


@pytest.mark.parametrize(
    ("retry_after_s", "deadline_s"), [(None, 60.0), (0.01, -1.0)], ids=["never", "after the deadline"]
)
async def test_a_vote_that_the_node_will_not_take_is_a_failure(
    retry_after_s: float | None, deadline_s: float
) -> None:
    node = Node(Failure(kind=FailureKind.REJECTED, message="it voted already", retry_after_s=retry_after_s))
    async with running(answering("approve"), node) as hook:
        hook.ask(proposal(deadline_s=deadline_s))
        await until(lambda: hook.stats["failures"])
    assert hook.last_failure == "the node did not take its vote: it voted already"
