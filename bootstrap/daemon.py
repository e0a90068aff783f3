"""The daemon: the composition root of `zenmesh run`.

Everything is opened from the bottom up (lock, store, machine, network, control socket, mDNS) and closed from the top
down; what is wrong is said before anything is open to others. Then one task drives the node, and the others feed it:
the network, the control API, discovery, the scrub. SIGTERM and SIGINT end it in order: the last writes become
durable, the store is marked clean, peers see the links close.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import trio

from bootstrap.config import Config, override
from bootstrap.home import Home
from bootstrap.hooks import hook_of
from bootstrap.identity import Member, Outsider, intent_fields, load_member, load_standing
from bootstrap.keyfiles import NODE, read_key
from bootstrap.options import RunOptions
from bootstrap.readings import free_memory, gauges_of
from bootstrap.rendezvous import feed_bootstrap
from bootstrap.socket_place import prepare_socket, release_socket
from bootstrap.systemd import notify
from crdt.owner_log import Limits
from mesh.api.metrics import Metrics
from mesh.api.process import resident_bytes
from mesh.api.server import serve
from mesh.protocol import assembly
from mesh.protocol.assembly import assemble
from mesh.protocol.commands import GetStatus, Join, Operation, Outcome, Success
from mesh.protocol.config import PROFILES, NodeConfig
from mesh.protocol.context import WallReading
from mesh.protocol.effects import Effect, Joined
from mesh.protocol.events import DamageFound
from mesh.protocol.joiner import Joiner
from mesh.protocol.machine import Machine
from mesh.protocol.node import Node
from mesh.runtime import clock
from mesh.runtime.allocator import give_back, one_arena
from mesh.runtime.loop import Halted, Network, NodeLoop
from mesh.runtime.mdns.codec import Advertisement
from mesh.runtime.mdns.service import Mdns, open_mdns
from mesh.runtime.reporting import LOGGER, Reporting, Show, configure_logging
from mesh.storage.store import Doubt, Recovered, Store
from wire.errors import ZenmeshError
from wire.ids import PeerId
from wire.rng import Rng

if TYPE_CHECKING:
    from mesh.runtime.network import Libp2pNetwork

SCRUB_REST_S = 0.2  # between two pieces of one MiB: a slow pass is a cheap one
SCRUB_PAUSE_S = 3600.0
STOP_S = 5.0  # for last words and the clean mark

Between = Callable[[Network], Network]


def run_daemon(home: Home, options: RunOptions, show: Show | None = None, *, between: Between | None = None) -> None:
    """Be the node of `home` until told to stop. `show` gets every trace record, for a live view.

    `between` puts something between the node and its network, such as what makes it lie.

    Raises:
        ConfigError: something in the home or the options is wrong; nothing was started.
        StoreError: the disk failed.
        Halted: the node stopped itself, because going on would be wrong.
    """
    configure_logging(options.log_format, logging.WARNING if options.quiet else logging.INFO)
    one_arena()
    config = override(home.config(), listen=options.listen or None, mdns=options.mdns, metrics=options.metrics)
    config = replace(config, bootstrap=(*config.bootstrap, *override(config, bootstrap=options.bootstrap).bootstrap))
    with ExitStack() as stack:
        stack.enter_context(home.lock())
        trace_file = stack.enter_context(options.trace.open("a", buffering=1)) if options.trace else None
        store, recovered = Store.open(home.state, expected=True)
        for damage in recovered.damage:
            LOGGER.error("damaged on disk: %s; members of the federation are asked to repair it", damage)
        daemon = Daemon(home, config, store, recovered, Reporting(trace_file, show), between)
        try:
            trio.run(daemon.main)
        except BaseExceptionGroup as group:
            _raise_first(group)
        finally:
            release_socket(home.path)


@dataclass(frozen=True, slots=True)
class _Birth:
    """A machine and its first effects."""

    machine: Machine
    effects: list[Effect]


class Daemon:
    """One running node: builds its parts, and is what the control API talks to."""

    def __init__(
        self,
        home: Home,
        config: Config,
        store: Store,
        recovered: Recovered,
        reporting: Reporting,
        between: Between | None = None,
    ) -> None:
        self._home = home
        self._config = config
        self._store = store
        self._recovered = recovered
        self._reporting = reporting
        self._between = between
        self._rng = Rng(os.urandom(32))
        self._loop: NodeLoop | None = None
        self._network: Libp2pNetwork | None = None
        self._mdns: Mdns | None = None
        self._hook = hook_of(home, config, self.execute)

    # running

    async def main(self) -> None:
        """Open everything, run, close everything."""
        birth = self._birth()
        async with AsyncExitStack() as stack:
            network = self._network = await stack.enter_async_context(self._open_network())
            outside = network if self._between is None else self._between(network)
            loop = self._loop = NodeLoop(
                birth.machine, outside, self._store, self._reporting, self._upgrade, self._hook
            )
            if self._config.mdns:
                mdns = open_mdns(self._advertisement, loop.post, self._rng.split("mdns"))
                self._mdns = await stack.enter_async_context(mdns)
            signals = stack.enter_context(trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_stop_on_signal, signals, nursery.cancel_scope)
                metrics = None if self._config.metrics is None else "{}:{}".format(*self._config.metrics)
                await nursery.start(serve, self, prepare_socket(self._home.path), metrics)
                nursery.start_soon(loop.run, birth.effects)
                nursery.start_soon(feed_bootstrap, self._config.bootstrap, loop.post)
                nursery.start_soon(self._scrub)
                if self._hook is not None:
                    nursery.start_soon(self._hook.run)
                for address in network.addresses:
                    LOGGER.info("listening at %s/p2p/%s", address, network.peer_id)
                give_back()
                notify("READY=1")
            notify("STOPPING=1")
            with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_S):
                await loop.stop()

    @asynccontextmanager
    async def _open_network(self) -> AsyncIterator[Libp2pNetwork]:
        from mesh.runtime.network import NetworkConfig, open_network  # the libp2p import, after the stubs

        limits = self._config.limits
        config = NetworkConfig(
            listen=self._config.listen,
            announce=self._config.announce,
            max_links=limits.max_links,
            max_strangers=limits.max_strangers,
        )
        async with open_network(config, read_key(self._home.keys, NODE).seed, self._check_gossip) as network:
            yield network

    def _check_gossip(self, forwarder: PeerId, topic: str, message: bytes) -> bool:
        return self._loop is not None and self._loop.machine.check_gossip(forwarder, topic, message)

    async def _scrub(self) -> None:
        """Read everything on disk again, slowly, for ever; what is damaged is written anew from memory."""
        while True:
            await trio.sleep(SCRUB_PAUSE_S)
            pass_ = self._store.scrub()
            while True:
                piece = await trio.to_thread.run_sync(next, pass_, _END)
                if piece is _END:
                    break
                if piece is not None and self._loop is not None:
                    self._loop.post(DamageFound(path=str(piece.path), detail=piece.detail))
                await trio.sleep(SCRUB_REST_S)

    # the machine

    def _birth(self) -> _Birth:
        now = clock.now()
        standing = load_standing(self._home, clock.wall_ms)
        if isinstance(standing, Member):
            return self._member(standing)
        return self._outsider(standing, now)

    def _outsider(self, standing: Outsider, now: int) -> _Birth:
        wall = WallReading(clock.wall_ms(), now)
        joiner = Joiner(self._node_config(), standing.applicant, standing.intent, wall, now)
        return _Birth(joiner, joiner.begin(now))

    def _member(self, member: Member) -> _Birth:
        now = clock.now()
        found = self._recovered
        node = assemble(
            config=self._node_config(),
            me=member.identity,
            genesis=member.genesis.raw,
            recovered=assembly.Recovered(
                records=[(record.kind, record.body) for record in found.records],
                snapshots=found.snapshots,
                clean_mark=found.clean_body if found.clean else None,
                cut=bool(found.doubt),
                torn=found.torn,
                damaged=found.doubt is Doubt.DAMAGE,
            ),
            limits=Limits(
                entries_per_owner=member.genesis.params.entries_per_owner,
                bytes_per_owner=member.genesis.params.bytes_per_owner,
            ),
            rng=self._rng.split("node"),
            wall_ms=clock.wall_ms(),
            now=now,
            secrets=os.urandom,
            anchor=self._home.anchor(),
        )
        self._recovered = Recovered()
        return _Birth(node, node.begin(now))

    def _upgrade(self, joined: Joined) -> tuple[Machine, list[Effect]]:
        """The federation said yes: keep what makes this home a member, then be one."""
        if joined.certificate:  # a backup has none: the one of its queen names it
            self._home.write_certificate(joined.certificate)
        if joined.anchor is not None:
            self._home.write_anchor(joined.anchor)
        self._home.write_genesis(joined.genesis)
        self._home.clear_pending_join()
        birth = self._member(load_member(self._home, joined.genesis))
        return birth.machine, birth.effects

    def _node_config(self) -> NodeConfig:
        config = self._config
        capabilities = config.capabilities
        if not capabilities.memory_available:
            capabilities = type(capabilities)(
                worker_types=capabilities.worker_types,
                max_workers=capabilities.max_workers,
                current_load_permille=capabilities.current_load_permille,
                memory_available=free_memory(),
            )
        return NodeConfig(
            profile=PROFILES[config.profile],
            capabilities=capabilities,
            max_links=config.limits.max_links,
            max_strangers=config.limits.max_strangers,
            compact_bytes=config.limits.journal_bytes,
            govern=config.govern,
            voting=config.voting,
        )

    # discovery

    def _advertisement(self) -> Advertisement | None:
        if self._loop is None or self._network is None or not self._network.addresses:
            return None
        machine = self._loop.machine
        attributes = {"zm.swarm": self._config.swarm, "zm.project": self._config.project}
        if isinstance(machine, Node):
            chain = machine.context.chain
            attributes |= {"zm.fed": chain.federation_id.hex(), "zm.fedname": chain.genesis.name}
        return Advertisement(peer=self._network.peer_id, addresses=self._network.addresses, attributes=attributes)

    # the control API

    async def execute(self, operation: Operation) -> Outcome:
        """Hand an operation to the node; what only the process knows is added to its status."""
        assert self._loop is not None, "the API is served while the loop stands"
        outcome = await self._loop.execute(operation)
        if isinstance(outcome, Success):
            if isinstance(operation, Join):
                self._home.write_pending_join(intent_fields(operation))
            if isinstance(operation, GetStatus):
                return Success(result={**outcome.result, **self._process_status(outcome.result)})
        return outcome

    def metrics(self) -> Metrics:
        """Everything countable, for Prometheus."""
        assert self._loop is not None, "the API is served while the loop stands"
        machine = self._loop.machine
        counters: dict[str, int | float] = {f"offences_{name}": n for name, n in self._reporting.offences.items()}
        gauges: dict[str, int | float] = {"store_journal_bytes": self._store.journal_bytes}
        info = {"swarm": self._config.swarm}
        if self._network is not None:
            counters |= {f"network_{name}": count for name, count in self._network.stats.items()}
        if self._hook is not None:
            counters |= {f"hook_{name}": count for name, count in self._hook.stats.items()}
        if isinstance(machine, Node):
            context = machine.context
            counters |= {f"node_{name}": count for name, count in context.counters.items()}
            gauges |= gauges_of(machine)
            info |= {"lifecycle": machine.lifecycle.value, "federation": context.federation.hex()}
        return Metrics(counters=counters, gauges=gauges, info=info)

    def _process_status(self, status: Mapping[str, object]) -> dict[str, object]:
        problems = [] if self._mdns is None else list(self._mdns.problems)
        known = {"rss_bytes": resident_bytes(), "pid": os.getpid(), "mdns_problems": problems}
        if self._hook is not None and self._hook.last_failure:
            warnings = status["warnings"]
            assert isinstance(warnings, list), "as the schema of `status` says"
            count = self._hook.stats["failures"]
            known["warnings"] = [*warnings, f"voting.hook failed {count} time(s), last: {self._hook.last_failure}"]
        return known


_END = object()


async def _stop_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        LOGGER.info("stopping")
        scope.cancel()


def _raise_first(group: BaseExceptionGroup[BaseException]) -> NoReturn:
    """The one error that a person can act on, out of what the tasks raised together."""
    expected = group.subgroup((ZenmeshError, Halted))
    if expected is None:
        raise group
    error: BaseException = expected
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    logging.getLogger("zenmesh").debug("ended by", exc_info=group)
    raise error
