"""The promises of the proxy that makes trouble, seen by a plain HTTP client with a real Swift behind it."""

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

from airflow_dlaas.contract.stores import StoreConnection
from tests.troublemaker import (
    CorruptReply,
    CorruptRequest,
    ExpireTokens,
    Fault,
    LoseReply,
    ResetReply,
    ResetRequest,
    Say,
    Seen,
    Silence,
    Slow,
    StallReply,
    StallRequest,
    Troublemaker,
    Truncate,
)
from tests.waiting import PATIENCE, until

CONTENT = random.Random(1).randbytes(3_000_000)
MIDDLE = 1_234_567
"""A byte within CONTENT, and within a piece of it."""

BROKEN = (ConnectionResetError, BrokenPipeError)
"""How a reset shows: to whoever reads, and to whoever writes on."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Plain:
    """One connection to a Swift, with a token: what a client does, and nothing clever."""

    def __init__(self, access: StoreConnection, auth_url: str) -> None:
        self._access = access
        self._login = urlsplit(auth_url)
        self.connection = http.client.HTTPConnection(
            str(self._login.hostname), self._login.port or 80, timeout=PATIENCE
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

    def begin(self, method: str, path: str, body: object = None, **headers: str) -> http.client.HTTPResponse:
        fields = {"X-Auth-Token": self.token} | {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, f"{self.storage.path}/{path}", body, fields)  # type: ignore[arg-type]
        return self.connection.getresponse()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        reply = self.begin(method, path, body, **headers)
        return Answer(reply.status, reply.headers, reply.read())

    def put(self, path: str, body: object = CONTENT) -> int:
        return self.ask("PUT", path, body).status

    def get(self, path: str) -> bytes:
        reply = self.ask("GET", path)
        assert reply.status == 200
        return reply.body


@pytest.fixture
def trouble(swift: StoreConnection) -> Iterator[Troublemaker]:
    with Troublemaker(swift.auth_url) as one:
        yield one


@pytest.fixture
def direct(swift: StoreConnection) -> Iterator[Plain]:
    """A client that meets no trouble."""
    one = Plain(swift, swift.auth_url)
    with contextlib.closing(one.connection):
        yield one


@pytest.fixture
def client(swift: StoreConnection, trouble: Troublemaker) -> Iterator[Plain]:
    one = Plain(swift, trouble.auth_url)
    with contextlib.closing(one.connection):
        trouble.clear()
        yield one


@pytest.fixture
def container(direct: Plain) -> str:
    name = f"c-{uuid.uuid4().hex}"
    assert direct.put(name, b"") == 201
    return name


@pytest.fixture
def there(direct: Plain, container: str) -> str:
    """The path of an object that holds CONTENT."""
    assert direct.put(f"{container}/there", CONTENT) == 201
    return f"{container}/there"


def test_requests_after_the_login_pass_through_the_proxy(client: Plain, trouble: Troublemaker, there: str) -> None:
    assert client.storage.netloc == urlsplit(trouble.auth_url).netloc
    assert client.storage.path.startswith("/v1/AUTH_")
    assert client.get(there) == CONTENT
    assert trouble.requests == [Seen("GET", f"{client.storage.path}/{there}", 0, 200, len(CONTENT), None)]


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 20_000_000])
def test_bodies_pass_unchanged(client: Plain, direct: Plain, container: str, size: int) -> None:
    content = random.Random(size).randbytes(size)
    reply = client.ask("PUT", f"{container}/%C3%BC%20?x=%3F", content)
    assert reply.status == 201
    assert reply.headers["ETag"].strip('"') == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert direct.get(f"{container}/%C3%BC%20") == content
    assert client.get(f"{container}/%C3%BC%20") == content


def test_connection_is_kept_for_many_requests(client: Plain, trouble: Troublemaker, direct: Plain, there: str) -> None:
    port = client.connection.sock.getsockname()[1]
    container = there.split("/")[0]
    for number in range(8):
        head = client.ask("HEAD", there)
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))
        assert client.ask("GET", f"{container}/missing").status == 404
        assert client.ask("GET", there, Range="bytes=5-9").body == CONTENT[5:10]
        assert client.ask("GET", there, If_None_Match=head.headers["ETag"]).status == 304
        assert client.ask("POST", there, X_Object_Meta_Number=str(number)).status == 202
        assert client.put(f"{container}/{number}", b"x") == 201
        assert client.ask("DELETE", f"{container}/{number}").status == 204
    assert client.connection.sock.getsockname()[1] == port
    assert trouble.count() == 56
    assert direct.ask("HEAD", there).headers["X-Object-Meta-Number"] == "7"


def test_headers_pass_unchanged(client: Plain, direct: Plain, there: str) -> None:
    own, passed = direct.ask("HEAD", there).headers, client.ask("HEAD", there).headers
    assert [name for name, _ in own.items()] == [name for name, _ in passed.items()]
    assert {name for name in own if own[name] != passed[name]} <= {"Date", "X-Trans-Id", "X-Openstack-Request-Id"}


def test_chunked_request_passes(client: Plain, direct: Plain, trouble: Troublemaker, container: str) -> None:
    pieces = [CONTENT[:1], CONTENT[1:200_000], CONTENT[200_000:]]
    assert client.put(f"{container}/a", iter(pieces)) == 201
    assert direct.get(f"{container}/a") == CONTENT
    assert trouble.sent(method="PUT") == len(CONTENT)
    assert client.ask("HEAD", f"{container}/a").status == 200


def test_early_response_of_the_store_arrives(client: Plain, direct: Plain, trouble: Troublemaker) -> None:
    assert client.put(f"missing-{uuid.uuid4().hex}/a", bytes(20_000_000)) == 404
    assert [(one.status, one.fault) for one in trouble.requests] == [(404, None)]


def test_client_that_disconnects_is_disconnected_from_the_store(
    client: Plain, direct: Plain, trouble: Troublemaker, container: str
) -> None:
    client.connection.putrequest("PUT", f"{client.storage.path}/{container}/a")
    client.connection.putheader("X-Auth-Token", client.token)
    client.connection.putheader("Content-Length", "11")
    client.connection.endheaders(b"ten bytes.")
    client.connection.close()
    until(trouble.sent, lambda sent: sent == 10)
    time.sleep(0.1)
    assert direct.ask("HEAD", f"{container}/a").status == 404


def test_expect_100_continue_is_answered(client: Plain, direct: Plain, container: str) -> None:
    head = (
        f"PUT {client.storage.path}/{container}/a HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {client.token}\r\n"
        f"Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    address = (str(client.storage.hostname), client.storage.port or 0)
    with socket.create_connection(address, PATIENCE) as one, one.makefile("rb") as reader:
        one.sendall(head.encode())
        assert reader.readline() + reader.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.sendall(b"12345")
        assert reader.read().startswith(b"HTTP/1.1 201 ")
    assert direct.get(f"{container}/a") == b"12345"


def test_clients_are_served_concurrently(
    swift: StoreConnection, client: Plain, trouble: Troublemaker, there: str
) -> None:
    trouble.on(Silence(), path=there)
    waiting = threading.Thread(target=client.ask, args=("HEAD", there))
    waiting.start()
    until(lambda: trouble.stalled, lambda stalled: stalled == 1)
    other = Plain(swift, trouble.auth_url)
    with contextlib.closing(other.connection):
        assert other.get(there) == CONTENT
    trouble.release()
    waiting.join()


@pytest.mark.parametrize("after", [0, 1, MIDDLE, len(CONTENT)])
def test_reset_request_stores_nothing(
    client: Plain, direct: Plain, trouble: Troublemaker, container: str, after: int
) -> None:
    trouble.on(ResetRequest(after), method="PUT")
    with pytest.raises(BROKEN):
        client.put(f"{container}/a")
    (seen,) = trouble.requests
    assert (seen.request_bytes, seen.status, seen.fault) == (after, None, ResetRequest(after))
    client.connection.close()
    time.sleep(0.1)
    assert direct.ask("GET", f"{container}/a").status == 404
    assert client.put(f"{container}/a") == 201
    assert direct.get(f"{container}/a") == CONTENT
    assert trouble.sent(method="PUT", path=container) == after + len(CONTENT)


@pytest.mark.parametrize("after", [0, 1, MIDDLE])
def test_reset_reply_after_the_given_number_of_bytes(
    client: Plain, trouble: Troublemaker, there: str, after: int
) -> None:
    trouble.on(ResetReply(after), path=there)
    reply = client.begin("GET", there)
    assert (reply.status, reply.headers["Content-Length"]) == (200, str(len(CONTENT)))
    assert reply.read(after) == CONTENT[:after]
    with pytest.raises(ConnectionResetError):
        reply.read(1)
    (seen,) = trouble.requests
    assert (seen.reply_bytes, seen.fault) == (after, ResetReply(after))


def test_reset_after_a_complete_reply(client: Plain, trouble: Troublemaker, there: str) -> None:
    trouble.on(ResetReply(len(CONTENT)), path=there)
    assert client.get(there) == CONTENT
    with pytest.raises(BROKEN):
        client.get(there)


def test_lost_reply_leaves_the_object_stored(
    client: Plain, direct: Plain, trouble: Troublemaker, container: str
) -> None:
    trouble.on(LoseReply(), method="PUT")
    with pytest.raises(ConnectionResetError):
        client.put(f"{container}/a")
    assert direct.get(f"{container}/a") == CONTENT
    (seen,) = trouble.requests
    assert (seen.request_bytes, seen.status, seen.reply_bytes, seen.fault) == (len(CONTENT), 201, 0, LoseReply())


def test_proxy_responds_instead_of_the_store(
    client: Plain, direct: Plain, trouble: Troublemaker, container: str
) -> None:
    busy = Say(503, {"Retry-After": "1"}, b"busy")
    trouble.on(busy, method="PUT")
    reply = client.ask("PUT", f"{container}/a", CONTENT)
    assert (reply.status, reply.headers["Retry-After"], reply.body) == (503, "1", b"busy")
    assert direct.ask("HEAD", f"{container}/a").status == 404
    port = client.connection.sock.getsockname()[1]
    assert client.put(f"{container}/a") == 201
    assert client.connection.sock.getsockname()[1] == port
    assert [(one.request_bytes, one.status, one.fault) for one in trouble.requests] == [
        (len(CONTENT), 503, busy),
        (len(CONTENT), 201, None),
    ]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 503), ("GET", 204)])
def test_response_of_the_proxy_has_no_body_for_head_and_204(
    client: Plain, trouble: Troublemaker, there: str, method: str, status: int
) -> None:
    trouble.on(Say(status, body=b"" if status == 204 else b"busy"), path=there)
    assert (client.ask(method, there).status, client.get(there)) == (status, CONTENT)


@pytest.mark.parametrize("size", [1, 20_000_000])
def test_early_response_of_the_proxy_can_be_read_while_sending(
    client: Plain, trouble: Troublemaker, container: str, size: int
) -> None:
    trouble.on(Say(401, body=b"no", early=True), method="PUT")
    with contextlib.suppress(*BROKEN):
        client.connection.request("PUT", f"{client.storage.path}/{container}/a", bytes(size))
    reply = client.connection.getresponse()
    assert (reply.status, reply.headers["Connection"], reply.read()) == (401, "close", b"no")
    assert trouble.sent() == 0


@pytest.mark.parametrize("after", [0, 1, MIDDLE])
def test_truncated_reply_ends_without_a_reset(client: Plain, trouble: Troublemaker, there: str, after: int) -> None:
    trouble.on(Truncate(after), path=there)
    reply = client.begin("GET", there)
    assert reply.headers["Content-Length"] == str(len(CONTENT))
    with pytest.raises(http.client.IncompleteRead) as error:
        reply.read()
    assert error.value.partial == CONTENT[:after]


@pytest.mark.parametrize("at", [0, MIDDLE, len(CONTENT) - 1])
def test_corruption_changes_one_byte(
    client: Plain, direct: Plain, trouble: Troublemaker, container: str, there: str, at: int
) -> None:
    spoiled = CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :]
    trouble.on(CorruptRequest(at), method="PUT")
    trouble.on(CorruptReply(at), path=there)
    assert client.put(f"{container}/a") == 201
    assert direct.get(f"{container}/a") == spoiled
    assert client.get(there) == spoiled
    assert [one.fault for one in trouble.requests] == [CorruptRequest(at), CorruptReply(at)]


def test_store_refuses_corrupted_content_by_its_md5(client: Plain, trouble: Troublemaker, container: str) -> None:
    trouble.on(CorruptRequest(0), method="PUT")
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    assert client.ask("PUT", f"{container}/a", CONTENT, ETag=md5).status == 422


@pytest.mark.parametrize("after", [0, MIDDLE])
def test_reply_stalls_until_release(client: Plain, trouble: Troublemaker, there: str, after: int) -> None:
    trouble.on(StallReply(after), path=there)
    reply = client.begin("GET", there)
    assert reply.read(after) == CONTENT[:after]
    client.connection.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.connection.sock.recv(1)
    assert (trouble.stalled, trouble.requests[0].reply_bytes) == (1, after)
    client.connection.sock.settimeout(PATIENCE)
    trouble.release()
    rest = b""
    while len(rest) < len(CONTENT) - after:
        rest += client.connection.sock.recv(1_000_000)
    assert rest == CONTENT[after:]


@pytest.mark.parametrize("fault", [StallRequest(0), StallRequest(MIDDLE), StallRequest(len(CONTENT)), Silence()])
def test_request_stalls_until_release(
    client: Plain, direct: Plain, trouble: Troublemaker, container: str, fault: Fault
) -> None:
    trouble.on(fault, method="PUT")
    statuses: list[int] = []
    sending = threading.Thread(target=lambda: statuses.append(client.put(f"{container}/a")))
    sending.start()
    until(lambda: trouble.stalled, lambda stalled: stalled == 1)
    time.sleep(0.2)
    assert statuses == []
    assert trouble.sent() == (fault.after if isinstance(fault, StallRequest) else len(CONTENT))
    trouble.release()
    sending.join()
    assert statuses == [201]
    assert direct.get(f"{container}/a") == CONTENT


def test_stall_ends_when_the_client_disconnects(
    client: Plain, direct: Plain, trouble: Troublemaker, there: str
) -> None:
    trouble.on(StallRequest(10_000), method="PUT")
    client.connection.timeout = 0.2
    client.connection.close()
    with pytest.raises(TimeoutError):
        client.put(f"{there}-2", CONTENT[:20_000])
    client.connection.close()
    until(lambda: trouble.stalled, lambda stalled: stalled == 0)
    assert direct.ask("HEAD", f"{there}-2").status == 404


def test_close_ends_stalled_requests(swift: StoreConnection, there: str) -> None:
    with Troublemaker(swift.auth_url) as trouble:
        one = Plain(swift, trouble.auth_url)
        trouble.on(StallReply(1), path=there)
        reply = one.begin("GET", there)
        until(lambda: trouble.stalled, lambda stalled: stalled == 1)
    assert not trouble._threads
    with contextlib.closing(one.connection), pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        reply.read()
    with pytest.raises(ConnectionRefusedError):
        Plain(swift, trouble.auth_url)


def test_slow_limits_the_rate(client: Plain, trouble: Troublemaker, there: str) -> None:
    trouble.on(Slow(10 * len(CONTENT)), path=there)
    begun = time.monotonic()
    assert client.get(there) == CONTENT
    assert time.monotonic() - begun > 0.09  # whatever else the machine does, it is no faster


def test_expired_tokens_are_refused_until_a_new_login(
    client: Plain, direct: Plain, trouble: Troublemaker, there: str
) -> None:
    old = client.token
    trouble.expire_tokens()
    refused = client.ask("PUT", there, b"new")
    assert (refused.status, refused.headers["Www-Authenticate"][:5]) == (401, "Swift")
    assert client.ask("GET", there, X_Auth_Token=direct.token).status == 200  # never seen here before
    client.log_in()
    assert trouble.logins == 1
    assert client.token != old
    assert client.get(there) == CONTENT
    assert client.ask("GET", there, X_Auth_Token=old).status == 401
    trouble.expire_tokens()
    assert client.ask("GET", there).status == 401
    assert client.ask("GET", there, X_Auth_Token=direct.token).status == 401


def test_tokens_expire_at_a_request(client: Plain, trouble: Troublemaker, there: str) -> None:
    trouble.on(ExpireTokens(), method="GET", path=there, skip=1)
    assert [client.ask("GET", there).status for _ in range(3)] == [200, 401, 401]
    client.log_in()
    assert client.ask("GET", there).status == 200


def test_rules_apply_in_order_and_are_counted(client: Plain, trouble: Troublemaker, container: str) -> None:
    trouble.on(Say(500), method="GET", skip=1, times=2)
    trouble.on(Say(501), method="GET", path=re.compile(r"/a\?.*=1$"))
    trouble.on(Say(502), path=f"{container}/b", times=None)
    asked = ["GET a", "GET a?x=1", "GET a", "GET a", "GET a?x=1", "PUT b", "PUT b", "GET c"]
    replies = [client.ask(one[:3], f"{container}/{one[4:]}").status for one in asked]
    assert replies == [404, 500, 500, 404, 501, 502, 502, 404]
    trouble.calm()
    assert client.put(f"{container}/b", b"") == 201
    assert (trouble.count(), trouble.count(method="PUT"), trouble.count(path="c")) == (9, 3, 9)


def test_fault_beyond_the_end_of_the_body_does_not_occur(client: Plain, trouble: Troublemaker, container: str) -> None:
    trouble.on(ResetRequest(2))
    assert client.put(f"{container}/a", b"x") == 201
    assert [one.fault for one in trouble.requests] == [None]


def test_unreachable_store_closes_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    with Troublemaker(f"http://127.0.0.1:{port}/auth/v1.0") as trouble:
        address = urlsplit(trouble.auth_url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port or 0, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", address.path)
            with pytest.raises(http.client.RemoteDisconnected):
                connection.getresponse()
