"""The hook: a program of the operator's that is asked how this queen votes, where its policy leaves that open.

It gets one proposal as a JSON object on standard input, and answers with one on standard output, then ends with 0:

    {"choice": "approve", "reason": "within the budget"}        or reject, abstain; "ask" leaves it to `zenmesh vote`

Its answer goes into the node as an ordinary `Vote`, and again while no quorum is in reach, until the deadline. The
node never waits for it: so many proposals wait, so many programs run at once, for so long, with so much output; what
is beyond that is a failure. A failure leaves the proposal to the operator, is counted, and logged without anything
that the program was given, said, or was called with. Each proposal is asked about once in the life of the process; a
program that others decided without is ended, and is no failure.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import trio

from consensus.governance.proposals import MAX_REASONING
from mesh.protocol.commands import Failure, Operation, Outcome, Vote
from mesh.runtime import clock

LOGGER = logging.getLogger("zenmesh.hook")
LEFT = "ask"

Proposal = Mapping[str, object]
Execute = Callable[[Operation], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookConfig:
    """The program with its arguments, and what it may take."""

    program: Sequence[str]
    directory: Path  # where it runs
    timeout_s: float = 30.0
    at_once: int = 4  # programs
    waiting: int = 1024  # proposals
    output_bytes: int = 16 * 1024


class HookFailed(Exception):
    """The program gave no answer; the message says why, and nothing of what it was given or said."""


class _Answer(msgspec.Struct):
    choice: Literal["approve", "reject", "abstain", "ask"]
    reason: str = ""


class Hook:
    """Asks the program, and votes as it says.

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hook.run)
        hook.ask(proposal)                  # at any time; never waits, never raises
        hook.conclude(proposal_id)          # the same; it is decided, so that nobody needs to be asked
    """

    def __init__(self, config: HookConfig, execute: Execute) -> None:
        self._config = config
        self._execute = execute
        self._send, self._receive = trio.open_memory_channel[Proposal](config.waiting)
        self._asked: dict[str, trio.CancelScope] = {}  # by proposal: of the work on it
        self.stats: Counter[str] = Counter()
        self.last_failure = ""

    def ask(self, proposal: Proposal) -> None:
        """Have the program asked about `proposal`, soon."""
        try:
            self._send.send_nowait(proposal)
        except trio.WouldBlock:
            self._failed(proposal, f"{self._config.waiting} proposals wait for it already")
        else:
            self._asked[str(proposal["proposal"])] = trio.CancelScope()

    def conclude(self, proposal: str) -> None:
        """Whatever is said to `proposal` (its id, hex) comes too late: end the program, or never start it."""
        if proposal in self._asked:
            self._asked[proposal].cancel()

    async def run(self) -> None:
        """Ask, until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(self._config.at_once):
                nursery.start_soon(self._work)

    async def _work(self) -> None:
        async for proposal in self._receive.clone():
            self.stats["questions"] += 1
            name, came_to, why = str(proposal["proposal"]), "", ""
            with self._asked[name] as work:
                try:
                    came_to = await self._ask_and_vote(proposal)
                except HookFailed as error:
                    why = str(error)
            del self._asked[name]
            if work.cancel_called:  # also where it ended just before
                self.stats["overtaken"] += 1
            elif why:
                self._failed(proposal, why)
            else:
                self.stats[came_to] += 1

    async def _ask_and_vote(self, proposal: Proposal) -> str:
        """Vote as the program says; while the node cannot take that, again, until the deadline. Raises HookFailed."""
        answer = _read(await consult(self._config, msgspec.json.encode(proposal)))
        if answer.choice == LEFT:
            return "left"
        vote = Vote(proposal=str(proposal["proposal"]), choice=answer.choice, reason=answer.reason)
        while isinstance(outcome := await self._execute(vote), Failure):
            if outcome.retry_after_s is None or clock.wall_ms() >= _deadline_ms(proposal):
                raise HookFailed(f"the node did not take its vote: {outcome.message}")
            await trio.sleep(outcome.retry_after_s)
        return "votes"

    def _failed(self, proposal: Proposal, why: str) -> None:
        self.stats["failures"] += 1
        self.last_failure = why
        LOGGER.warning("proposal %s is left to `zenmesh vote`: voting.hook: %s", proposal["proposal"], why)


async def consult(config: HookConfig, question: bytes) -> bytes:
    """What the program says to `question`. It, and whatever it started, is gone afterwards. Raises HookFailed."""
    try:
        process = await trio.lowlevel.open_process(
            list(config.program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=config.directory,
            start_new_session=True,
        )
    except OSError as error:
        raise HookFailed(f"it cannot be started: {error.strerror}") from None
    try:
        with trio.move_on_after(config.timeout_s) as patience:
            said = await _converse(process, question, config.output_bytes)
            if len(said) <= config.output_bytes:
                await process.wait()
        if patience.cancelled_caught:
            raise HookFailed(f"no answer within {config.timeout_s:g} s")
    finally:
        await _end(process)
    if len(said) > config.output_bytes:
        raise HookFailed(f"it said more than {config.output_bytes} bytes")
    if process.returncode != 0:
        raise HookFailed(f"it ended with {process.returncode}")
    return said


async def _converse(process: trio.Process, question: bytes, most: int) -> bytes:
    """Say `question`, and hear the answer to its end, or to what is too much."""
    assert process.stdin is not None, "opened with pipes"
    assert process.stdout is not None, "opened with pipes"
    said = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_say, process.stdin, question)
        async for part in process.stdout:
            said += part
            if len(said) > most:
                nursery.cancel_scope.cancel()
    return bytes(said)


async def _say(stream: trio.abc.SendStream, question: bytes) -> None:
    with suppress(trio.BrokenResourceError):  # it need not listen to the end
        await stream.send_all(question)
    await stream.aclose()


async def _end(process: trio.Process) -> None:
    """Leave nothing behind: its session is its own, so that its children end with it, even where it ended before."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with trio.CancelScope(shield=True):
        await process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                await stream.aclose()


def _read(said: bytes) -> _Answer:
    """The answer in what was said. Raises HookFailed."""
    try:
        answer = msgspec.json.decode(said, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise HookFailed('its answer is not {"choice": approve, reject, abstain or ask, "reason": TEXT}') from None
    if len(answer.reason.encode()) > MAX_REASONING:
        raise HookFailed(f"its reason has more than {MAX_REASONING} bytes")
    return answer


def _deadline_ms(proposal: Proposal) -> float:
    deadline = proposal["deadline_ms"]
    return deadline if isinstance(deadline, int) else math.inf
