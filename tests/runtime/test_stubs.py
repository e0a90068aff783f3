"""libp2p under stubs: in processes of their own, since an import cannot be undone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.rsa import create_new_key_pair as create_rsa_keys
from libp2p.crypto.secp256k1 import create_new_key_pair as create_secp256k1_keys
from libp2p.host.ping import PingService
from libp2p.network.exceptions import SwarmDialAllFailedError

from mesh.runtime.stubs import OFF_SWITCH, STUBBED
from tests.support.bare_libp2p import BareHost, bare_host, ed25519_keys, within

ROOT = Path(__file__).parents[2]
BROUGHT_ALONG = ("OpenSSL", "service_identity", "wsproto", "pylsqpack", "urllib3")
TOPIC = "echo"
PATIENCE_S = 30

# One host that sends everything on TOPIC back in upper case; ends with its input.
ECHO_HOST = f"""
from mesh.runtime.stubs import import_libp2p_lean
assert import_libp2p_lean()
import sys
import trio
from tests.support.bare_libp2p import bare_host, ed25519_keys, within

async def echo(pubsub, subscription):
    while True:
        message = await subscription.get()
        if message.data.islower():
            await pubsub.publish({TOPIC!r}, message.data.upper())

async def main():
    async with bare_host(ed25519_keys(1)) as bare, trio.open_nursery() as nursery:
        nursery.start_soon(echo, bare.pubsub, await bare.pubsub.subscribe({TOPIC!r}))
        print(bare.address, flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()

trio.run(main)
"""


def run(script: str, **environment: str) -> object:
    """Run a script in a fresh interpreter; what it prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\nfrom mesh.runtime.stubs import import_libp2p_lean\n{script}"],
        cwd=ROOT,
        env=child_environment() | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def child_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != OFF_SWITCH}
    return kept | {"PYTHONPATH": str(ROOT)}


def test_nothing_stubbed_is_loaded_and_no_trace_of_the_stubs_is_left() -> None:
    heavy = [*STUBBED, *BROUGHT_ALONG]
    script = f"""
lean = import_libp2p_lean()
import libp2p.pubsub.gossipsub, libp2p.transport.tcp.tcp, libp2p.rcmgr.manager
loaded = [name for name in sys.modules if name.partition(".")[0] in {heavy}]
finders = [type(finder).__module__ for finder in sys.meta_path if type(finder).__module__.startswith("mesh")]
print(json.dumps([lean, loaded, finders]))
"""
    assert run(script) == [True, [], []]


def test_every_stub_stands_for_something_that_libp2p_would_have_loaded() -> None:
    script = f"""
import libp2p
print(json.dumps(sorted(set({list(STUBBED)}) - set(sys.modules))))
"""
    assert run(script) == []


def test_the_off_switch_loads_everything() -> None:
    script = f"""
lean = import_libp2p_lean()
import libp2p
print(json.dumps([lean, sorted(set({list(STUBBED)}) - set(sys.modules))]))
"""
    assert run(script, **{OFF_SWITCH: "1"}) == [False, []]


def test_with_libp2p_there_already_nothing_happens() -> None:
    assert run("import libp2p\nprint(json.dumps([import_libp2p_lean(), import_libp2p_lean()]))") == [False, False]


def test_later_imports_get_the_real_packages() -> None:
    script = f"""
import_libp2p_lean()
import importlib
hollow = [name for name in {list(STUBBED)} if importlib.import_module(name).__spec__.origin is None]
import sqlite3, dns.message, prometheus_client
rows = sqlite3.connect(":memory:").execute("select 6 * 7").fetchall()
question = str(dns.message.make_query("example.org", "A").question[0].name)
count = prometheus_client.Counter("c", "c", registry=prometheus_client.CollectorRegistry())._value.get()
print(json.dumps([hollow, rows, question, count]))
"""
    assert run(script) == [[], [[42]], "example.org.", 0.0]


def test_packages_imported_before_stay_and_are_what_libp2p_gets() -> None:
    script = """
import dns.resolver, sqlite3
before = dns, sqlite3
import_libp2p_lean()
import dns, sqlite3, multiaddr.resolvers.dns as user
print(json.dumps([before == (dns, sqlite3), user.dns is dns, user.dns.resolver is dns.resolver]))
"""
    assert run(script) == [True, True, True]


def test_a_feature_that_was_left_out_names_itself() -> None:
    script = """
import_libp2p_lean()
from mesh.runtime.stubs import StubUsed
from libp2p.crypto.rsa import RSAPublicKey
from libp2p.discovery.mdns.mdns import PeerListener
said = []
for attempt in (lambda: RSAPublicKey.from_bytes(b"x"), lambda: PeerListener(None, None, None, None)):
    try:
        attempt()
    except StubUsed as error:
        said.append(str(error))
print(json.dumps(said))
"""
    assert run(script) == [
        f"{name} is not loaded in this process ({STUBBED[name.partition('.')[0]]}); {OFF_SWITCH}=1 loads it"
        for name in ("Crypto.PublicKey.RSA.import_key", "zeroconf.ServiceListener")
    ]


@asynccontextmanager
async def echo_host(environment: dict[str, str]) -> AsyncIterator[str]:
    """The address of a lean host in a process of its own, which lives to the end. How it closes is the library's."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", ECHO_HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment
    )
    assert process.stdin
    assert process.stdout
    try:
        yield (await process.stdout.receive_some()).decode().strip()
        assert process.poll() is None, "the host ended by itself"
    finally:
        process.kill()


async def speaks(bare: BareHost, address: str) -> None:
    """Noise, yamux, identify, ping and gossip in both directions."""
    subscription = await bare.pubsub.subscribe(TOPIC)
    peer = await bare.connect(address)
    await bare.pubsub.wait_for_mesh(peer, TOPIC)
    await bare.pubsub.publish(TOPIC, b"anyone")
    while (await subscription.get()).data != b"ANYONE":
        pass
    assert await PingService(bare.host).ping(peer)
    assert "/ipfs/id/1.0.0" in bare.host.get_peerstore().get_protocols(peer)


STRANGERS: dict[str, Callable[[], KeyPair]] = {
    "rsa": lambda: create_rsa_keys(2048),
    "secp256k1": create_secp256k1_keys,
}


@pytest.mark.parametrize("kind", STRANGERS)
async def test_a_lean_host_speaks_with_a_full_one_and_refuses_strangers_keys(kind: str) -> None:
    with within(PATIENCE_S):
        async with echo_host(child_environment()) as address:
            async with bare_host(ed25519_keys(2)) as honest:
                await speaks(honest, address)
            async with bare_host(STRANGERS[kind]()) as stranger:
                with pytest.raises(SwarmDialAllFailedError):
                    await stranger.connect(address)
                assert not stranger.host.get_network().get_connections()
            async with bare_host(ed25519_keys(3)) as honest:
                await speaks(honest, address)
