"""Which of a machine's addresses are told to others."""

from __future__ import annotations

from ipaddress import ip_address

import ifaddr
import pytest

from mesh.runtime import interfaces
from mesh.runtime.interfaces import InterfaceAddress, Scope, dialable, interface_addresses, scope_of


def on(interface: str, index: int, address: str, prefix: int = 24) -> InterfaceAddress:
    version = ip_address(address).version
    return InterfaceAddress(index=index, interface=interface, version=version, address=address, prefix=prefix)


LOOPBACK = (on("lo", 1, "127.0.0.1", 8), on("lo", 1, "::1", 128))
LAN = (on("eth0", 2, "fd00::5", 64), on("eth0", 2, "fe80::5", 64), on("eth0", 2, "192.0.2.5"))


@pytest.mark.parametrize(
    ("addresses", "version", "expected"),
    [
        pytest.param(
            LOOPBACK + LAN, None, ("192.0.2.5", "fd00::5"), id="IPv4 first, neither loopback nor link-local"
        ),
        pytest.param(LOOPBACK + LAN, 6, ("fd00::5",), id="IPv6 alone"),
        pytest.param(LOOPBACK, None, ("127.0.0.1", "::1"), id="loopback when there is nothing else"),
        pytest.param(LOOPBACK + LAN[:1], 4, ("127.0.0.1",), id="loopback of the asked family"),
        pytest.param((), None, (), id="nothing"),
    ],
)
def test_dialable(addresses: tuple[InterfaceAddress, ...], version: int | None, expected: tuple[str, ...]) -> None:
    assert dialable(addresses, version) == expected


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("127.8.0.1", Scope.LOOPBACK),
        ("::1", Scope.LOOPBACK),
        ("169.254.3.4", Scope.LINK_LOCAL),
        ("fe80::1", Scope.LINK_LOCAL),
        ("10.0.0.1", Scope.GLOBAL),
        ("fd00::1", Scope.GLOBAL),
    ],
)
def test_scopes(address: str, scope: Scope) -> None:
    assert scope_of(ip_address(address)) is scope


def test_on_link() -> None:
    assert on("eth0", 2, "192.0.2.5").on_link(ip_address("192.0.2.200"))
    assert not on("eth0", 2, "192.0.2.5").on_link(ip_address("192.0.3.200"))
    assert not on("eth0", 2, "192.0.2.5").on_link(ip_address("fd00::1"))


def test_this_machine_has_a_loopback() -> None:
    found = interface_addresses()
    assert any(entry.scope is Scope.LOOPBACK for entry in found)
    assert found == tuple(sorted(found))


def test_a_kernel_that_refuses_is_a_machine_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> object:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(ifaddr, "get_adapters", refuse)
    assert interfaces.interface_addresses() == ()
