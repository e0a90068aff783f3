"""The server holds its limits and its door whatever clients do."""
# ruff: noqa: ASYNC240 - files in a temporary directory, looked at between two awaits

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
import trio

from mesh.api import sockets
from mesh.api.client import CallFailed, Client
from mesh.api.server import Limits
from mesh.protocol.commands import FailureKind, GetPeers, GetStatus, Invite, MemoryPut, Success
from tests.support.fakecontrol import FakeControl, serving
from wire.errors import ConfigError, NotRunning


@pytest.fixture
def control() -> FakeControl:
    return FakeControl({GetPeers: Success(result={"peers": []})})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


async def call(path: Path, operation: str, fields: dict[str, object] | None = None) -> dict[str, object]:
    return await trio.to_thread.run_sync(Client(path).call, operation, fields)


async def request(path: Path, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
    return await trio.to_thread.run_sync(Client(path).request, method, target, body)


async def raw(path: Path, data: bytes) -> bytes:
    """Everything the server says to `data` until it closes."""
    stream = await trio.open_unix_socket(str(path))
    async with stream:
        await stream.send_all(data)
        said = bytearray()
        while part := await stream.receive_some(65536):
            said += part
        return bytes(said)


async def test_an_operation_and_its_result(control: FakeControl, path: Path) -> None:
    async with serving(control, path):
        assert await call(path, "peers") == {"peers": []}
        assert await call(path, "memory/put", {"key": "k", "value": [1]}) == {}
    assert control.asked == [GetPeers(), MemoryPut(key="k", value=b"[1]")]


async def test_status_carries_the_memory_of_the_process(control: FakeControl, path: Path) -> None:
    async with serving(control, path):
        status = await call(path, "status")
    assert isinstance(status["rss_bytes"], int)
    assert status["rss_bytes"] > 1_000_000


async def test_a_failure_keeps_its_kind_and_advice(control: FakeControl, path: Path) -> None:
    async with serving(control, path):
        with pytest.raises(CallFailed, match="too few") as caught:
            await call(path, "memory/put", {"key": "nothing", "value": 1})
    assert caught.value.kind is FailureKind.NO_QUORUM
    assert caught.value.retry_after_s == 2.5


async def test_a_bad_request_is_a_usage_failure(control: FakeControl, path: Path) -> None:
    async with serving(control, path):
        with pytest.raises(CallFailed, match="no field 'bogus'") as caught:
            await call(path, "invite", {"bogus": 1})
    assert caught.value.kind is FailureKind.USAGE
    assert control.asked == []


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/status", 200),
        ("GET", "/v1/peers", 200),
        ("GET", "/metrics", 200),
        ("GET", "/healthz", 200),
        ("GET", "/healthz?x=1", 200),
        ("GET", "/v1/invite", 405),
        ("DELETE", "/v1/status", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/", 404),
        ("POST", "/metrics", 404),
    ],
)
async def test_paths(control: FakeControl, path: Path, method: str, target: str, status: int) -> None:
    async with serving(control, path):
        assert (await request(path, method, target))[0] == status


async def test_health_follows_the_lifecycle(control: FakeControl, path: Path) -> None:
    control.outcomes[GetStatus] = Success(result={"lifecycle": "SYNCING"})
    async with serving(control, path):
        assert (await request(path, "GET", "/healthz"))[0] == 503
        control.outcomes[GetStatus] = Success(result={"lifecycle": "OPERATIONAL"})
        assert (await request(path, "GET", "/healthz"))[0] == 200


GARBAGE = [
    (b"\x00\xff\x16\x03\x01 hello\r\n\r\n", b" 400 "),
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Long: " + b"x" * 40_000 + b"\r\n\r\n", b" 431 "),
    (b"POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 1_100_000, b" 413 "),
    (b"POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b" 400 "),
    (b"POST /v1/peers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b" 400 "),
]


@pytest.mark.parametrize(("data", "expected"), GARBAGE, ids=["binary", "header", "body", "length", "chunk"])
async def test_garbage_is_answered_and_disturbs_nobody(
    control: FakeControl, path: Path, data: bytes, expected: bytes
) -> None:
    async with serving(control, path):
        assert expected in (await raw(path, data)).split(b"\r\n")[0]
        assert await call(path, "peers") == {"peers": []}


async def test_a_client_that_vanishes_midway_disturbs_nobody(control: FakeControl, path: Path) -> None:
    async with serving(control, path):
        for data in (b"", b"POST /v1/sta", b"POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"):
            stream = await trio.open_unix_socket(str(path))
            await stream.send_all(data)
            await stream.aclose()
        assert await call(path, "peers") == {"peers": []}


async def test_one_connection_serves_many_requests(control: FakeControl, path: Path) -> None:
    async with serving(control, path):
        stream = await trio.open_unix_socket(str(path))
        async with stream:
            for _ in range(3):
                await stream.send_all(b"GET /v1/peers HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b'{"peers":[]}' in await stream.receive_some(65536)
    assert control.asked == [GetPeers()] * 3


async def test_a_waiting_curl_is_told_to_go_on(control: FakeControl, path: Path) -> None:
    async with serving(control, path):
        stream = await trio.open_unix_socket(str(path))
        async with stream:
            await stream.send_all(
                b"POST /v1/invite HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            )
            assert b" 100 " in await stream.receive_some(65536)
            await stream.send_all(b"{}")
            assert b" 200 " in await stream.receive_some(65536)
    assert control.asked == [Invite()]


async def test_silence_and_slowness_end_with_patience(
    control: FakeControl, path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    limits = Limits(idle_s=5.0)
    async with serving(control, path, limits=limits):
        assert await raw(path, b"") == b""
        assert b" 408 " in await raw(path, b"POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert trio.current_time() >= 10


async def test_a_node_that_never_answers_is_reported(
    control: FakeControl, path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    control.hang = True
    async with serving(control, path, limits=Limits(answer_s=3.0)):
        answer = await raw(path, b"GET /v1/peers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"did not answer within 3 s" in answer


async def test_more_than_the_bound_are_told_to_come_back(control: FakeControl, path: Path) -> None:
    async with serving(control, path, limits=Limits(connections=2)):
        inside = [await trio.open_unix_socket(str(path)) for _ in range(2)]
        for stream in inside:
            await stream.send_all(b"GET /v1/peers HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in await stream.receive_some(65536)
        assert b"too many connections" in await raw(path, b"")
        for stream in inside:
            await stream.aclose()
        while b"too many" in (answer := await raw(path, b"GET /v1/peers HTTP/1.0\r\n\r\n")):
            await trio.lowlevel.checkpoint()
        assert b" 200 " in answer


async def test_metrics_on_tcp_and_nothing_else_there(control: FakeControl, path: Path) -> None:
    async with serving(control, path, "127.0.0.1:0") as addresses:
        host, port = addresses[0].split(":")

        async def get(target: str) -> bytes:
            stream = await trio.open_tcp_stream(host, int(port))
            async with stream:
                await stream.send_all(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                said = b""
                while part := await stream.receive_some(65536):
                    said += part
                return said

        assert b"zenmesh_node_batches_applied_total 3" in await get("/metrics")
        assert b" 200 " in await get("/healthz")
        assert b" 404 " in await get("/v1/status")


@pytest.mark.parametrize("address", ["9464", "localhost:http", "localhost:99999", "192.0.2.1:9464"])
async def test_a_metrics_address_that_cannot_be_names_itself(control: FakeControl, path: Path, address: str) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with serving(control, path, address):
            pass
    assert caught.group_contains(ConfigError, match=address)


async def test_the_socket_is_this_users_alone_and_goes_with_the_server(control: FakeControl, path: Path) -> None:
    async with serving(control, path):
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not path.exists()


def test_the_kernel_names_the_other_side(path: Path) -> None:
    with sockets.listen(path) as listener, sockets.connect(path, 1.0), listener.accept()[0] as accepted:
        assert sockets.peer_uid(accepted) == os.geteuid()


async def test_another_user_is_shown_the_door(
    control: FakeControl, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "peer_uid", lambda _sock: 12345)
    async with serving(control, path):
        assert await raw(path, b"") == b""
    assert control.asked == []


async def test_the_socket_of_a_dead_process_is_replaced(control: FakeControl, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(control, path):
        assert await call(path, "peers") == {"peers": []}


async def test_a_living_server_and_foreign_files_are_left_alone(control: FakeControl, path: Path) -> None:
    async with serving(control, path):
        with pytest.raises(ConfigError, match="another process"):
            sockets.listen(path)
    path.write_text("precious")
    with pytest.raises(ConfigError, match="another kind of file"):
        sockets.listen(path)
    assert path.read_text() == "precious"


async def test_a_home_of_any_length(control: FakeControl, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    path = deep / "control.sock"
    async with serving(control, path):
        assert await call(path, "peers") == {"peers": []}
    assert not path.exists()


def test_nobody_home(path: Path) -> None:
    with pytest.raises(NotRunning, match="zenmesh run"):
        Client(path).call("status")


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"],
    ids=["nothing", "half a head", "not http", "half a body"],
)
async def test_a_server_that_dies_midway_is_reported(path: Path, answer: bytes) -> None:
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sockets.listen(path)))

    async def die() -> None:
        stream = await listener.accept()
        await stream.receive_some(65536)
        await stream.send_all(answer)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(die)
        with pytest.raises(NotRunning, match="without an answer"):
            await call(path, "status")
