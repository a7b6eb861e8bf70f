"""The guarantees of the fault proxy, with a plain HTTP client and a real Swift."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import random
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from airflow_dlaas.contract.stores import SwiftStoreConnection
from tests.fault_proxy import (
    CorruptReply,
    CorruptRequest,
    ExpireTokens,
    Fault,
    FaultProxy,
    LoseReply,
    ResetReply,
    ResetRequest,
    Seen,
    SendReply,
    Silence,
    Slow,
    StallReply,
    StallRequest,
    Truncate,
)
from tests.waiting import WAIT_TIMEOUT, until

CONTENT = random.Random(1).randbytes(3_000_000)
MIDDLE = 1_234_567
"""The offset of a byte within CONTENT, and within a chunk of it."""

RESET_ERRORS = (ConnectionResetError, BrokenPipeError)
"""The errors of a reset: for a read, and for a write."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class PlainClient:
    """A client with one connection to a Swift and a token, without retries."""

    def __init__(self, access: SwiftStoreConnection, auth_url: str) -> None:
        self._access = access
        self._login = urlsplit(auth_url)
        self.connection = http.client.HTTPConnection(
            str(self._login.hostname), self._login.port or 80, timeout=WAIT_TIMEOUT
        )
        self.log_in()

    def log_in(self) -> None:
        assert self._access.password is not None
        key = self._access.password.get_secret_value()
        headers = {"X-Auth-User": str(self._access.user_id), "X-Auth-Key": key}
        self.connection.request("GET", self._login.path, headers=headers)
        reply = self.connection.getresponse()
        reply.read()
        assert reply.status == 200
        self.storage = urlsplit(reply.headers["X-Storage-Url"])
        self.token = reply.headers["X-Auth-Token"]

    def start(self, method: str, path: str, body: object = None, **headers: str) -> http.client.HTTPResponse:
        fields = {"X-Auth-Token": self.token} | {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, f"{self.storage.path}/{path}", body, fields)  # type: ignore[arg-type]
        return self.connection.getresponse()

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        reply = self.start(method, path, body, **headers)
        return Reply(reply.status, reply.headers, reply.read())

    def put(self, path: str, body: object = CONTENT) -> int:
        return self.send("PUT", path, body).status

    def get(self, path: str) -> bytes:
        reply = self.send("GET", path)
        assert reply.status == 200
        return reply.body


@pytest.fixture
def proxy(swift: SwiftStoreConnection) -> Iterator[FaultProxy]:
    with FaultProxy(swift.auth_url) as one:
        yield one


@pytest.fixture
def direct(swift: SwiftStoreConnection) -> Iterator[PlainClient]:
    """A client without the proxy."""
    one = PlainClient(swift, swift.auth_url)
    with contextlib.closing(one.connection):
        yield one


@pytest.fixture
def client(swift: SwiftStoreConnection, proxy: FaultProxy) -> Iterator[PlainClient]:
    one = PlainClient(swift, proxy.auth_url)
    with contextlib.closing(one.connection):
        proxy.clear()
        yield one


@pytest.fixture
def container(direct: PlainClient) -> str:
    name = f"c-{uuid.uuid4().hex}"
    assert direct.put(name, b"") == 201
    return name


@pytest.fixture
def path(direct: PlainClient, container: str) -> str:
    """The path of an object with CONTENT."""
    assert direct.put(f"{container}/there", CONTENT) == 201
    return f"{container}/there"


def test_requests_after_the_login_pass_through_the_proxy(client: PlainClient, proxy: FaultProxy, path: str) -> None:
    assert client.storage.netloc == urlsplit(proxy.auth_url).netloc
    assert client.storage.path.startswith("/v1/AUTH_")
    assert client.get(path) == CONTENT
    assert proxy.requests == [Seen("GET", f"{client.storage.path}/{path}", 0, 200, len(CONTENT), None)]


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 20_000_000])
def test_bodies_pass_unchanged(client: PlainClient, direct: PlainClient, container: str, size: int) -> None:
    content = random.Random(size).randbytes(size)
    reply = client.send("PUT", f"{container}/%C3%BC%20?x=%3F", content)
    assert reply.status == 201
    assert reply.headers["ETag"].strip('"') == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert direct.get(f"{container}/%C3%BC%20") == content
    assert client.get(f"{container}/%C3%BC%20") == content


def test_connection_is_kept_for_many_requests(
    client: PlainClient, proxy: FaultProxy, direct: PlainClient, path: str
) -> None:
    port = client.connection.sock.getsockname()[1]
    container = path.split("/")[0]
    for number in range(8):
        head = client.send("HEAD", path)
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))
        assert client.send("GET", f"{container}/missing").status == 404
        assert client.send("GET", path, Range="bytes=5-9").body == CONTENT[5:10]
        assert client.send("GET", path, If_None_Match=head.headers["ETag"]).status == 304
        assert client.send("POST", path, X_Object_Meta_Number=str(number)).status == 202
        assert client.put(f"{container}/{number}", b"x") == 201
        assert client.send("DELETE", f"{container}/{number}").status == 204
    assert client.connection.sock.getsockname()[1] == port
    assert proxy.count() == 56
    assert direct.send("HEAD", path).headers["X-Object-Meta-Number"] == "7"


def test_headers_pass_unchanged(client: PlainClient, direct: PlainClient, path: str) -> None:
    own, passed = direct.send("HEAD", path).headers, client.send("HEAD", path).headers
    assert [name for name, _ in own.items()] == [name for name, _ in passed.items()]
    assert {name for name in own if own[name] != passed[name]} <= {"Date", "X-Trans-Id", "X-Openstack-Request-Id"}


def test_chunked_request_passes(client: PlainClient, direct: PlainClient, proxy: FaultProxy, container: str) -> None:
    pieces = [CONTENT[:1], CONTENT[1:200_000], CONTENT[200_000:]]
    assert client.put(f"{container}/a", iter(pieces)) == 201
    assert direct.get(f"{container}/a") == CONTENT
    assert proxy.sent(method="PUT") == len(CONTENT)
    assert client.send("HEAD", f"{container}/a").status == 200


def test_early_response_of_the_store_arrives(client: PlainClient, direct: PlainClient, proxy: FaultProxy) -> None:
    assert client.put(f"missing-{uuid.uuid4().hex}/a", bytes(20_000_000)) == 404
    assert [(one.status, one.fault) for one in proxy.requests] == [(404, None)]


def test_client_that_disconnects_is_disconnected_from_the_store(
    client: PlainClient, direct: PlainClient, proxy: FaultProxy, container: str
) -> None:
    client.connection.putrequest("PUT", f"{client.storage.path}/{container}/a")
    client.connection.putheader("X-Auth-Token", client.token)
    client.connection.putheader("Content-Length", "11")
    client.connection.endheaders(b"ten bytes.")
    client.connection.close()
    until(proxy.sent, lambda sent: sent == 10)
    time.sleep(0.1)
    assert direct.send("HEAD", f"{container}/a").status == 404


def test_expect_100_continue_is_answered(client: PlainClient, direct: PlainClient, container: str) -> None:
    head = (
        f"PUT {client.storage.path}/{container}/a HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {client.token}\r\n"
        f"Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    address = (str(client.storage.hostname), client.storage.port or 0)
    with socket.create_connection(address, WAIT_TIMEOUT) as one, one.makefile("rb") as reader:
        one.sendall(head.encode())
        assert reader.readline() + reader.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.sendall(b"12345")
        assert reader.read().startswith(b"HTTP/1.1 201 ")
    assert direct.get(f"{container}/a") == b"12345"


def test_clients_are_served_concurrently(
    swift: SwiftStoreConnection, client: PlainClient, proxy: FaultProxy, path: str
) -> None:
    proxy.on(Silence(), path=path)
    waiting = threading.Thread(target=client.send, args=("HEAD", path))
    waiting.start()
    until(lambda: proxy.stalled, lambda stalled: stalled == 1)
    other = PlainClient(swift, proxy.auth_url)
    with contextlib.closing(other.connection):
        assert other.get(path) == CONTENT
    proxy.release()
    waiting.join()


@pytest.mark.parametrize("after", [0, 1, MIDDLE, len(CONTENT)])
def test_reset_request_stores_nothing(
    client: PlainClient, direct: PlainClient, proxy: FaultProxy, container: str, after: int
) -> None:
    proxy.on(ResetRequest(after), method="PUT")
    with pytest.raises(RESET_ERRORS):
        client.put(f"{container}/a")
    (seen,) = proxy.requests
    assert (seen.request_bytes, seen.status, seen.fault) == (after, None, ResetRequest(after))
    client.connection.close()
    time.sleep(0.1)
    assert direct.send("GET", f"{container}/a").status == 404
    assert client.put(f"{container}/a") == 201
    assert direct.get(f"{container}/a") == CONTENT
    assert proxy.sent(method="PUT", path=container) == after + len(CONTENT)


@pytest.mark.parametrize("after", [0, 1, MIDDLE])
def test_reset_reply_after_the_given_number_of_bytes(
    client: PlainClient, proxy: FaultProxy, path: str, after: int
) -> None:
    proxy.on(ResetReply(after), path=path)
    reply = client.start("GET", path)
    assert (reply.status, reply.headers["Content-Length"]) == (200, str(len(CONTENT)))
    assert reply.read(after) == CONTENT[:after]
    with pytest.raises(ConnectionResetError):
        reply.read(1)
    (seen,) = proxy.requests
    assert (seen.reply_bytes, seen.fault) == (after, ResetReply(after))


def test_reset_after_a_complete_reply(client: PlainClient, proxy: FaultProxy, path: str) -> None:
    proxy.on(ResetReply(len(CONTENT)), path=path)
    assert client.get(path) == CONTENT
    with pytest.raises(RESET_ERRORS):
        client.get(path)


def test_lost_reply_leaves_the_object_stored(
    client: PlainClient, direct: PlainClient, proxy: FaultProxy, container: str
) -> None:
    proxy.on(LoseReply(), method="PUT")
    with pytest.raises(ConnectionResetError):
        client.put(f"{container}/a")
    assert direct.get(f"{container}/a") == CONTENT
    (seen,) = proxy.requests
    assert (seen.request_bytes, seen.status, seen.reply_bytes, seen.fault) == (len(CONTENT), 201, 0, LoseReply())


def test_proxy_responds_instead_of_the_store(
    client: PlainClient, direct: PlainClient, proxy: FaultProxy, container: str
) -> None:
    busy = SendReply(503, {"Retry-After": "1"}, b"busy")
    proxy.on(busy, method="PUT")
    reply = client.send("PUT", f"{container}/a", CONTENT)
    assert (reply.status, reply.headers["Retry-After"], reply.body) == (503, "1", b"busy")
    assert direct.send("HEAD", f"{container}/a").status == 404
    port = client.connection.sock.getsockname()[1]
    assert client.put(f"{container}/a") == 201
    assert client.connection.sock.getsockname()[1] == port
    assert [(one.request_bytes, one.status, one.fault) for one in proxy.requests] == [
        (len(CONTENT), 503, busy),
        (len(CONTENT), 201, None),
    ]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 503), ("GET", 204)])
def test_response_of_the_proxy_has_no_body_for_head_and_204(
    client: PlainClient, proxy: FaultProxy, path: str, method: str, status: int
) -> None:
    proxy.on(SendReply(status, body=b"" if status == 204 else b"busy"), path=path)
    assert (client.send(method, path).status, client.get(path)) == (status, CONTENT)


@pytest.mark.parametrize("size", [1, 20_000_000])
def test_early_response_of_the_proxy_can_be_read_while_sending(
    client: PlainClient, proxy: FaultProxy, container: str, size: int
) -> None:
    proxy.on(SendReply(401, body=b"no", early=True), method="PUT")
    with contextlib.suppress(*RESET_ERRORS):
        client.connection.request("PUT", f"{client.storage.path}/{container}/a", bytes(size))
    reply = client.connection.getresponse()
    assert (reply.status, reply.headers["Connection"], reply.read()) == (401, "close", b"no")
    assert proxy.sent() == 0


@pytest.mark.parametrize("after", [0, 1, MIDDLE])
def test_truncated_reply_ends_without_a_reset(client: PlainClient, proxy: FaultProxy, path: str, after: int) -> None:
    proxy.on(Truncate(after), path=path)
    reply = client.start("GET", path)
    assert reply.headers["Content-Length"] == str(len(CONTENT))
    with pytest.raises(http.client.IncompleteRead) as error:
        reply.read()
    assert error.value.partial == CONTENT[:after]


@pytest.mark.parametrize("at", [0, MIDDLE, len(CONTENT) - 1])
def test_corruption_changes_one_byte(
    client: PlainClient, direct: PlainClient, proxy: FaultProxy, container: str, path: str, at: int
) -> None:
    changed = CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :]
    proxy.on(CorruptRequest(at), method="PUT")
    proxy.on(CorruptReply(at), path=path)
    assert client.put(f"{container}/a") == 201
    assert direct.get(f"{container}/a") == changed
    assert client.get(path) == changed
    assert [one.fault for one in proxy.requests] == [CorruptRequest(at), CorruptReply(at)]


def test_store_refuses_corrupted_content_by_its_md5(client: PlainClient, proxy: FaultProxy, container: str) -> None:
    proxy.on(CorruptRequest(0), method="PUT")
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    assert client.send("PUT", f"{container}/a", CONTENT, ETag=md5).status == 422


@pytest.mark.parametrize("after", [0, MIDDLE])
def test_reply_stalls_until_release(client: PlainClient, proxy: FaultProxy, path: str, after: int) -> None:
    proxy.on(StallReply(after), path=path)
    reply = client.start("GET", path)
    assert reply.read(after) == CONTENT[:after]
    client.connection.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.connection.sock.recv(1)
    assert (proxy.stalled, proxy.requests[0].reply_bytes) == (1, after)
    client.connection.sock.settimeout(WAIT_TIMEOUT)
    proxy.release()
    rest = b""
    while len(rest) < len(CONTENT) - after:
        rest += client.connection.sock.recv(1_000_000)
    assert rest == CONTENT[after:]


@pytest.mark.parametrize("fault", [StallRequest(0), StallRequest(MIDDLE), StallRequest(len(CONTENT)), Silence()])
def test_request_stalls_until_release(
    client: PlainClient, direct: PlainClient, proxy: FaultProxy, container: str, fault: Fault
) -> None:
    proxy.on(fault, method="PUT")
    statuses: list[int] = []
    sending = threading.Thread(target=lambda: statuses.append(client.put(f"{container}/a")))
    sending.start()
    until(lambda: proxy.stalled, lambda stalled: stalled == 1)
    time.sleep(0.2)
    assert statuses == []
    assert proxy.sent() == (fault.after if isinstance(fault, StallRequest) else len(CONTENT))
    proxy.release()
    sending.join()
    assert statuses == [201]
    assert direct.get(f"{container}/a") == CONTENT


def test_stall_ends_when_the_client_disconnects(
    client: PlainClient, direct: PlainClient, proxy: FaultProxy, path: str
) -> None:
    proxy.on(StallRequest(10_000), method="PUT")
    client.connection.timeout = 0.2
    client.connection.close()
    with pytest.raises(TimeoutError):
        client.put(f"{path}-2", CONTENT[:20_000])
    client.connection.close()
    until(lambda: proxy.stalled, lambda stalled: stalled == 0)
    assert direct.send("HEAD", f"{path}-2").status == 404


def test_close_ends_stalled_requests(swift: SwiftStoreConnection, path: str) -> None:
    with FaultProxy(swift.auth_url) as proxy:
        one = PlainClient(swift, proxy.auth_url)
        proxy.on(StallReply(1), path=path)
        reply = one.start("GET", path)
        until(lambda: proxy.stalled, lambda stalled: stalled == 1)
    assert not proxy._threads
    with contextlib.closing(one.connection), pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        reply.read()
    with pytest.raises(ConnectionRefusedError):
        PlainClient(swift, proxy.auth_url)


def test_slow_limits_the_rate(client: PlainClient, proxy: FaultProxy, path: str) -> None:
    proxy.on(Slow(10 * len(CONTENT)), path=path)
    started = time.monotonic()
    assert client.get(path) == CONTENT
    assert time.monotonic() - started > 0.09  # a busy machine is slower, never faster


def test_expired_tokens_are_refused_until_a_new_login(
    client: PlainClient, direct: PlainClient, proxy: FaultProxy, path: str
) -> None:
    old = client.token
    proxy.expire_tokens()
    refused = client.send("PUT", path, b"new")
    assert (refused.status, refused.headers["Www-Authenticate"][:5]) == (401, "Swift")
    assert client.send("GET", path, X_Auth_Token=direct.token).status == 200  # the proxy has not seen this token before
    client.log_in()
    assert proxy.logins == 1
    assert client.token != old
    assert client.get(path) == CONTENT
    assert client.send("GET", path, X_Auth_Token=old).status == 401
    proxy.expire_tokens()
    assert client.send("GET", path).status == 401
    assert client.send("GET", path, X_Auth_Token=direct.token).status == 401


def test_tokens_expire_at_a_request(client: PlainClient, proxy: FaultProxy, path: str) -> None:
    proxy.on(ExpireTokens(), method="GET", path=path, skip=1)
    assert [client.send("GET", path).status for _ in range(3)] == [200, 401, 401]
    client.log_in()
    assert client.send("GET", path).status == 200


def test_rules_apply_in_order_and_are_counted(client: PlainClient, proxy: FaultProxy, container: str) -> None:
    proxy.on(SendReply(500), method="GET", skip=1, times=2)
    proxy.on(SendReply(501), method="GET", path=re.compile(r"/a\?.*=1$"))
    proxy.on(SendReply(502), path=f"{container}/b", times=None)
    sent = ["GET a", "GET a?x=1", "GET a", "GET a", "GET a?x=1", "PUT b", "PUT b", "GET c"]
    replies = [client.send(one[:3], f"{container}/{one[4:]}").status for one in sent]
    assert replies == [404, 500, 500, 404, 501, 502, 502, 404]
    proxy.calm()
    assert client.put(f"{container}/b", b"") == 201
    assert (proxy.count(), proxy.count(method="PUT"), proxy.count(path="c")) == (9, 3, 9)


def test_fault_beyond_the_end_of_the_body_does_not_occur(
    client: PlainClient, proxy: FaultProxy, container: str
) -> None:
    proxy.on(ResetRequest(2))
    assert client.put(f"{container}/a", b"x") == 201
    assert [one.fault for one in proxy.requests] == [None]


def test_unreachable_store_closes_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    with FaultProxy(f"http://127.0.0.1:{port}/auth/v1.0") as proxy:
        address = urlsplit(proxy.auth_url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port or 0, timeout=WAIT_TIMEOUT)
        with contextlib.closing(connection):
            connection.request("GET", address.path)
            with pytest.raises(http.client.RemoteDisconnected):
                connection.getresponse()
