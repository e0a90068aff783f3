"""A hostile peer as a process of its own: `python -m tests.support.hostile_peer ATTACK VICTIM [TICKET]`.

It makes up an identity, becomes a member first if it is given a ticket (a member's keys in an attacker's hands), and
then does one thing of `ATTACKS` again and again, until its standard input ends. It says one line when it is about to
begin, its peer id, and one with `out` whenever the victim has thrown it out; a stranger then comes back under another
name. What the victim makes of it, the victim is asked.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import trio
from libp2p.abc import INetStream

from consensus.tickets import Ticket, parse_ticket
from mesh.protocol.messages import Capabilities, Discovery, Ping
from tests.support.bad_frames import BAD_FRAMES
from tests.support.bare_libp2p import MESHSUB
from tests.support.hostile import MALFORMED, prefixed, signed_by, tcp_to
from tests.support.rogue import Rogue, now_ms, rogue_at, stranger_at
from wire import cbor, cose
from wire.frame import LENGTH_SIZE, encode_frame, pack_message
from wire.types import KIB, Channel, ContentType, MessageType

HOUR_MS = 3_600_000
TURN_S = 0.05  # between two strokes, where many a second prove no more than a few
STRANGERS = 24
IDLE_CONNECTIONS = 400
COSTLY = 100  # messages to one RPC
Stroke = Callable[["Rogue"], Awaitable[None]]


# What it does, once; the loop in `main` does it again


async def garbage(rogue: Rogue) -> None:
    """Random bytes instead of a handshake, of a protocol name, and of a frame."""
    async with await tcp_to(rogue.address) as raw:
        await raw.send_all(os.urandom(KIB))
    stream = await rogue.attacker.stream()
    await stream.write(os.urandom(KIB))
    await rogue.write(Channel.MESH, (64).to_bytes(LENGTH_SIZE, "big") + os.urandom(64))


async def truncated(rogue: Rogue) -> None:
    await rogue.write(Channel.MESH, encode_frame([bytes(1000)], compress=False)[:-1])


async def wrong_federation(rogue: Rogue) -> None:
    await rogue.say(Channel.MESH, MessageType.BATCH, rogue.forged(rogue.author, b"x" * 32))


async def forged(rogue: Rogue) -> None:
    await rogue.say(Channel.MESH, MessageType.BATCH, rogue.forged(rogue.inviter, rogue.federation))


async def forged_gossip(rogue: Rogue) -> None:
    """Nothing was recorded as long as nobody writes; the forgery needs no recording."""
    with trio.move_on_after(2):
        await rogue.take_part()
    while True:
        await rogue.publish(MessageType.BATCH, rogue.forged(rogue.inviter, rogue.federation))
        await trio.sleep(TURN_S)


async def replay(rogue: Rogue) -> None:
    """What honest members said, again: on the link, and as news of one's own."""
    if not rogue.recorded:
        await rogue.take_part()
    await rogue.say(Channel.MESH, MessageType.BATCH, *rogue.recorded)
    for payload in rogue.recorded:
        await rogue.publish(MessageType.BATCH, payload)


async def forked(rogue: Rogue) -> None:
    await rogue.say(Channel.MESH, MessageType.BATCH, rogue.batch(b"1"), rogue.batch(b"2"))


async def early(rogue: Rogue) -> None:
    """A batch and an announcement of the next hour."""
    await rogue.say(Channel.MESH, MessageType.BATCH, rogue.batch(ahead_ms=HOUR_MS))
    body = Discovery(
        swarm=rogue.author.swarm,
        term=rogue.author.term,
        project_id="demo",
        addresses=(),
        capabilities=Capabilities(),
        timestamp_ms=now_ms() + HOUR_MS,
    )
    raw = cose.seal(ContentType.DISCOVERY, cbor.encode_struct(body), rogue.queen, rogue.federation)
    await rogue.say(Channel.MESH, MessageType.DISCOVERY, raw)


async def slow_loris(rogue: Rogue) -> None:
    """A frame, byte by byte, from a member that is in good health otherwise."""
    await rogue.greet(rogue.author.swarm)
    lane = await rogue.attacker.speak(Channel.MESH)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rogue.answer_probes)
        for byte in encode_frame([bytes(1000)], compress=False):
            await lane.write(bytes([byte]))
            await trio.sleep(0.2)


async def silence(rogue: Rogue) -> None:
    """A connection, the beginning of a join, and not a word."""
    await rogue.attacker.speak(Channel.JOIN)
    await rogue.attacker.wait_thrown_out()


async def lies_in_hello(rogue: Rogue) -> None:
    """A member that claims to be another one."""
    await rogue.greet(rogue.inviter.swarm)


async def flood(rogue: Rogue) -> None:
    """Well-formed messages of a member, as fast as they are taken."""
    frames = [
        (channel, encode_frame([pack_message(kind, payload)] * 50))
        for channel, kind, payload in (
            (Channel.PRIORITY, MessageType.PING, cbor.encode_struct(Ping(1, now_ms(), 0, bytes(32)))),
            (Channel.MESH, MessageType.BATCH, rogue.batch()),
        )
    ]
    async with trio.open_nursery() as nursery:
        for channel, frame in frames:
            nursery.start_soon(_for_ever, await rogue.attacker.speak(channel), frame)


async def _for_ever(lane: INetStream, frame: bytes) -> None:
    while True:
        await lane.write(frame)


async def gossip_flood(rogue: Rogue) -> None:
    """Well-formed gossip of a member, in the name of thousands that it made up, as fast as it is taken."""
    lane = await rogue.attacker.speak(MESHSUB)
    message = pack_message(MessageType.BATCH, rogue.batch())
    for first in itertools.count(0, COSTLY):
        numbers = range(first, first + COSTLY)
        await lane.write(prefixed(b"".join(signed_by(number, rogue.attacker.topic, message) for number in numbers)))


async def stranger_flood(rogue: Rogue) -> None:
    """A stranger that sends more than it may."""
    lane = await rogue.attacker.speak(Channel.MESH)
    await _for_ever(lane, encode_frame([pack_message(999, os.urandom(256 * KIB))]))


async def streams(rogue: Rogue) -> None:
    """Streams without end."""
    await rogue.attacker.flood_streams(1000)
    await rogue.attacker.wait_thrown_out()


async def connections(rogue: Rogue) -> None:
    """Whole connections under ever new names, and hundreds that say nothing."""
    async with AsyncExitStack() as held:
        for _ in range(STRANGERS):
            with suppress(Exception):
                await held.enter_async_context(stranger_at(rogue.address))
        for _ in range(IDLE_CONNECTIONS):
            with suppress(OSError):
                await held.enter_async_context(await tcp_to(rogue.address))
        await rogue.attacker.wait_thrown_out()


async def malformed(rogue: Rogue) -> None:
    """Every message that would kill the library's own host."""
    for attack in MALFORMED.values():
        if attack.deadly:
            with suppress(Exception):
                await attack.strike(rogue.attacker)


def _frames(*names: str) -> Stroke:
    async def stroke(rogue: Rogue) -> None:
        for name in names:
            await rogue.write(Channel.MESH, BAD_FRAMES[name][0])

    return stroke


ATTACKS: dict[str, Stroke] = {
    "garbage": garbage,
    "truncated": truncated,
    "oversized": _frames("length-4-gib", "length-over-limit", "length-zero"),
    "zstd-bomb": _frames("zstd-bomb-declared", "zstd-bomb-undeclared"),
    "cbor-bomb": _frames("cbor-nested-deep", "cbor-array-of-2-to-the-60", "array-too-long"),
    "wrong-federation": wrong_federation,
    "forged": forged,
    "forged-gossip": forged_gossip,
    "lies-in-hello": lies_in_hello,
    "replay": replay,
    "fork": forked,
    "early": early,
    "slow-loris": slow_loris,
    "silence": silence,
    "flood": flood,
    "gossip-flood": gossip_flood,
    "stranger-flood": stranger_flood,
    "streams": streams,
    "connections": connections,
    "malformed": malformed,
}


def tell(line: str) -> None:
    """Say it to whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(attack: str, address: str, ticket: Ticket | None) -> None:
    """Come in, begin, go on; come in again."""
    while True:
        with suppress(Exception):
            async with rogue_at(address, ticket) as rogue:
                tell(str(rogue.attacker.bare.peer))
                while rogue.attacker.connected:
                    with suppress(Exception):
                        await ATTACKS[attack](rogue)
                    await trio.sleep(TURN_S)
        if ticket is not None:
            return  # its ticket is used
        tell("out")
        await trio.sleep(TURN_S)


async def until_told() -> None:
    """Attack until standard input ends."""
    attack, address, *ticket = sys.argv[1:]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(main, attack, address, parse_ticket(ticket[0]) if ticket else None)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(until_told)
