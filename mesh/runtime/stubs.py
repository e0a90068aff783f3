"""Importing py-libp2p without what the daemon never uses of it, which is a third of its memory.

`import libp2p` pulls in every transport, key type and discovery service it knows, with their dependencies. zenmesh
speaks TCP, Noise, Yamux and Ed25519 and nothing else, so the daemon's entry point (never a library import, and before
anything else has imported libp2p) calls

    import_libp2p_lean()

While that runs, a finder at the head of `sys.meta_path` answers for the packages in `STUBBED` with hollow modules:
every name in them is a class that may be inherited from, named in annotations and in `except` clauses, but not
instantiated. Afterwards the finder and its modules are gone from `sys`, so that our own `import sqlite3` gets the
real one, while libp2p keeps its references to the hollow ones.

Where libp2p comes upon one of them later it meets `StubUsed`. That is reachable by strangers: a handshake with an RSA
or secp256k1 key ends there, as a failed handshake, and a gossip message signed with an RSA key ends there as an
exception in the validator, which is why gossip must be validated by code that cannot raise. Host names are not
resolved by libp2p either. With ZENMESH_NO_STUBS=1 nothing is replaced.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

OFF_SWITCH = "ZENMESH_NO_STUBS"

STUBBED: Mapping[str, str] = {
    "Crypto": "RSA keys, and the ciphers of secio and of private networks",
    "aioquic": "QUIC and WebTransport; brings pyOpenSSL and service_identity",
    "coincurve": "secp256k1 keys",
    "dns": "names in addresses: resolved before libp2p sees them",
    "fastecdsa": "ECDSA keys, key exchange of secio",
    "httpx": "certificates from ACME servers",
    "miniupnpc": "UPnP port mapping",
    "prometheus_client": "metrics of libp2p",
    "psutil": "memory limits and health checks of the resource manager; wildcard listen addresses",
    "requests": "certificates from ACME servers, observability",
    "sqlite3": "persistent peer stores",
    "trio_websocket": "the WebSocket transport; brings wsproto",
    "zeroconf": "mDNS of libp2p",
}

# Made while libp2p is imported, or by every host, and left unused.
INERT = frozenset({"dns.asyncresolver.Resolver", "dns.resolver.Resolver"})


class StubUsed(Exception):
    """A feature of libp2p was reached whose dependency is not loaded in this process."""

    def __init__(self, name: str) -> None:
        package = name.partition(".")[0]
        super().__init__(f"{name} is not loaded in this process ({STUBBED[package]}); {OFF_SWITCH}=1 loads it")


class _HollowClass(type):
    """A class that stands for `package.module.Name`: has any attribute, cannot be instantiated unless inert."""

    def __getattr__(cls, name: str) -> _HollowClass:
        return _hollow_class(f"{cls.__module__}.{cls.__qualname__}", name)

    def __call__(cls, *args: object, **kwargs: object) -> object:
        hollow = next(base for base in cls.__mro__ if base.__module__.partition(".")[0] in STUBBED)
        name = f"{hollow.__module__}.{hollow.__qualname__}"
        if name not in INERT:
            raise StubUsed(name)
        return super().__call__()


def _hollow_class(owner: str, name: str) -> _HollowClass:
    if name.startswith("__"):  # what Python itself looks for must not seem to be there
        raise AttributeError(name)
    return _HollowClass(name, (Exception,), {"__module__": owner})


class _HollowModule(ModuleType):
    """A module (and package) in which every name is a hollow class."""

    def __getattr__(self, name: str) -> _HollowClass:
        hollow = _hollow_class(self.__name__, name)
        setattr(self, name, hollow)
        return hollow


class _StubFinder(MetaPathFinder, Loader):
    """Answers for the stubbed packages, except for parts of one that is already there for real."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = fullname.partition(".")[0]
        if package not in STUBBED or (package != fullname and not isinstance(sys.modules[package], _HollowModule)):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _HollowModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the names come into being when asked for."""


@contextmanager
def third_party_stubs() -> Iterator[None]:
    """What is imported inside sees hollow modules for the packages in `STUBBED` that were not imported before."""
    finder = _StubFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, _HollowModule)]:
            del sys.modules[name]


def import_libp2p_lean() -> bool:
    """Import libp2p under the stubs; False if it was imported before, or if the environment says no."""
    if os.environ.get(OFF_SWITCH) == "1" or "libp2p" in sys.modules:
        return False
    with third_party_stubs():
        importlib.import_module("libp2p")  # and with it nearly every module that it has
    return True
