"""Requests to a running service that are not HTTP, or are invalid HTTP."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ServiceProcess
from tests.fuzz.effort import TIMES, effort

TIMEOUT = 60.0
"""The most seconds for a response or the end of a connection, on a busy machine; usually they come at once."""

CONNECTION_CLOSED = {errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN}


@dataclass
class RawConnections:
    """Raw connections to a service, without an HTTP client."""

    service: ServiceProcess

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.service.connections()["dlaas_default"]["host"])
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def send(self, *pieces: bytes) -> bytes:
        """Send all *pieces* over a new connection; return what the service sends until it closes the connection."""
        answer = b""
        with socket.create_connection(self.address, timeout=TIMEOUT) as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    answer += piece
            except OSError as error:  # closed by the service; a timeout is another error
                if error.errno not in CONNECTION_CLOSED:
                    raise
        return answer

    def require_health(self) -> None:
        """Fail if a valid request is not answered."""
        host, port = self.address
        reply = requests.get(f"http://{host}:{port}/health", timeout=TIMEOUT)
        assert reply.json()["status"] == "ok"

    @property
    def size(self) -> tuple[int, int]:
        """The memory of the service in bytes, and the number of its open files."""
        process = psutil.Process(self.service.pid)
        return process.memory_info().rss, process.num_fds()


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawConnections]:
    process = ServiceProcess(tmp_path_factory.mktemp("wire") / "home")
    with contextlib.closing(process):
        process.start()
        connections = RawConnections(process)
        connections.require_health()
        yield connections


PUT = b"PUT /v3/identity/token HTTP/1.1\r\nHost: a\r\n"
UPGRADE = b"GET /v3/models/x/monitor HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
POST = b"POST /v3/models HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

INVALID = [
    pytest.param([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)], id="TLS"),
    pytest.param([b"SSH-2.0-x\r\n"], id="SSH"),
    pytest.param([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], id="HTTP/2"),
    pytest.param([b"GET /health"], id="no newline"),
    pytest.param([b"\r\n" * 1000], id="newlines"),
    pytest.param([b"GET /health HTTP/1.1\r\n\r\n"], id="no host"),
    pytest.param([b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"], id="two hosts"),
    pytest.param([b"GET /health HTTP/9.9\r\nHost: a\r\n\r\n"], id="another version"),
    pytest.param([b"GET " + b"/" * 300_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"], id="long path"),
    pytest.param([b"GET /%ff%00%zz/../..?%%% HTTP/1.1\r\nHost: a\r\n\r\n"], id="odd path"),
    pytest.param([b"GET http://[::1/v3/models HTTP/1.1\r\nHost: [\r\n\r\n"], id="odd absolute path"),
    pytest.param([b"GET \xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n"], id="path that is no text"),
    pytest.param([b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1_000_000], id="endless header"),
    pytest.param([b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 50_000], id="endless headers"),
    pytest.param([b"GET /health HTTP/1.1\r\nHost: a\r\nA : b\r\n folded\r\n\r\n"], id="folded header"),
    pytest.param([POST + b"Content-Length: -1\r\n\r\n"], id="negative length"),
    pytest.param([POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"], id="two lengths"),
    pytest.param([PUT + b"Content-Length: 100\r\n\r\nabc"], id="less than stated"),
    pytest.param([PUT + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nabc"], id="immense length"),
    pytest.param([PUT + CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n"], id="chunk of no size"),
    pytest.param([PUT + CHUNKED + b"f" * 40 + b"\r\nabc"], id="immense chunk"),
    pytest.param([PUT + CHUNKED + b"1\r\nx\r\n" * 50_000], id="endless chunks"),
    pytest.param([POST + b"Transfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\nabc"], id="both lengths"),
    pytest.param([b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" + b"nonsense\r\n\r\n" * 100], id="pipelined nonsense"),
    pytest.param([UPGRADE + b"Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n" + b"\xff" * 500], id="odd websocket"),
    pytest.param([UPGRADE + b"Upgrade: \xff\r\n\r\n"], id="odd upgrade"),
]  # fmt: skip


@pytest.mark.parametrize("pieces", INVALID)
def test_invalid_request_is_refused_or_its_connection_closed(raw: RawConnections, pieces: list[bytes]) -> None:
    answer = raw.send(*pieces)
    assert b" 500 " not in answer.partition(b"\r\n")[0]
    assert b"Traceback" not in answer
    raw.require_health()


@effort(100)
@given(
    st.lists(
        st.sampled_from(
            [
                b"GET",
                b"POST",
                b" ",
                b"/",
                b"/health",
                b"HTTP/1.1",
                b"\r\n",
                b"\r\n\r\n",
                b"Host: a",
                b"Content-Length: 5",
                b"Transfer-Encoding: chunked",
                b"5\r\nabcde\r\n",
                b"0\r\n\r\n",
                b"\n",
                b"\0",
                b":",
            ]
        )
        | st.binary(max_size=20),
        max_size=20,
    )
)
def test_any_bytes_are_refused_or_their_connection_closed(raw: RawConnections, pieces: list[bytes]) -> None:
    answer = raw.send(b"".join(pieces))
    assert b"HTTP/1.1 5" not in answer
    assert not answer or answer.startswith(b"HTTP/1.")


def test_slow_clients_do_not_delay_other_requests(raw: RawConnections) -> None:
    with contextlib.ExitStack() as stack:
        slow_clients = [stack.enter_context(socket.create_connection(raw.address, timeout=TIMEOUT)) for _ in range(200)]
        for second in range(4):
            for one in slow_clients:
                one.sendall(
                    [b"PUT /v3/identity/token HTTP/1.1\r\n", b"Host: a\r\nContent-Le", b"ngth: 9\r\n\r\n", b"x"][second]
                )
            raw.require_health()
            time.sleep(0.5)


def test_many_invalid_requests_leave_no_memory_files_or_descriptors(raw: RawConnections) -> None:
    randomness = random.Random(7)
    heads = [
        b"GET /v3/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %d\r\n\r\n",
        b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n",
        PUT + b"Content-Length: 2000\r\n\r\n%d",
        PUT + b"Content-Length: 9\r\n\r\n%09d",
        b"GET /v3/identity/token HTTP/1.1\r\nHost: a\r\nAuthorization: Basic %d\r\n\r\n",
        b"nonsense %d\r\n\r\n",
        (
            b"GET /v3/models/%d/monitor HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ),
    ]

    def send_requests(times: int) -> None:
        for _ in range(times):
            answer = raw.send(randomness.choice(heads) % randomness.randrange(10**9))
            assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:200]

    def files() -> list[Path]:
        return sorted(one for one in raw.service.home.rglob("*") if one.is_file())

    send_requests(300)  # before the measurement, for caches that are filled once
    before, kept = raw.size, files()
    send_requests(2000 * TIMES)
    raw.require_health()
    memory, descriptors = raw.size
    assert memory - before[0] < 8 * 1024**2
    assert descriptors <= before[1] + 5
    assert files() == kept
