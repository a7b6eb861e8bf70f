"""The account, container and object servers answer only the processes of the store."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
import swiftclient

from airflow_dlaas.service.objectstore.backend_auth import SECRET_HEADER
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from tests.integration.objectstore.conftest import connected, swift_in

KINDS = ("account", "container", "object")
RESTART_AFTER = 5.5
"""Seconds after which a server that ends is restarted; if it ends earlier, the store stops."""
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "REPLICATE", "SSYNC", "UPDATE")


class Backends(NamedTuple):
    folder: Path
    swift: EmbeddedSwift
    ports: list[int]
    """Loopback ports other than the port of the proxy."""

    def paths(self, kind: str) -> list[str]:
        """Return the path of the test's account, container or object in each used partition, as the servers name it."""
        name = {"account": "", "container": "/box", "object": "/box/a"}[kind]
        partitions = (self.folder / "devices" / "d1" / f"{kind}s").iterdir()
        return [f"/d1/{one.name}/AUTH_dlaas{name}" for one in partitions if one.name.isdigit()]


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    folder = tmp_path_factory.mktemp("backends")
    with swift_in(folder) as swift:
        with connected(swift.login) as connection:
            connection.put_container("box")
            connection.put_object("box", "a", b"as it was stored")
        yield Backends(folder, swift, [one for one in listening_ports(swift) if one != swift.port])


def listening_ports(swift: EmbeddedSwift) -> list[int]:
    head = psutil.Process(swift._process.pid)
    found = {
        one.laddr.port
        for process in (head, *head.children(recursive=True))
        for one in process.net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    }
    return sorted(found)


def ask(port: int, method: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Send a request that the server would carry out for the proxy; return status and body of the response."""
    own = {"X-Timestamp": "9999999999.00000", "Content-Type": "text/plain", "X-Size": "1", "X-Etag": "x"}
    body = b"overwritten" if method in {"PUT", "POST"} else b""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, {**own, **(headers or {})})
        reply = connection.getresponse()
        return reply.status, reply.read()


def unchanged(backends: Backends) -> bool:
    with connected(backends.swift.login) as connection:
        listed = [one["name"] for one in connection.get_container("box")[1]]
        return listed == ["a"] and connection.get_object("box", "a")[1] == b"as it was stored"


def test_proxy_has_three_servers_behind_it(backends: Backends) -> None:
    assert len(backends.ports) == len(KINDS)
    assert all(backends.paths(kind) for kind in KINDS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_request_without_the_secret_is_refused_and_changes_nothing(backends: Backends, kind: str, method: str) -> None:
    answers = [ask(port, method, path) for port in backends.ports for path in backends.paths(kind)]
    assert {status for status, _ in answers} == {403}
    assert not any(b"as it was stored" in body for _, body in answers)
    assert unchanged(backends)


@pytest.mark.parametrize(
    "headers",
    [
        {SECRET_HEADER: ""},
        {SECRET_HEADER: "0" * 64},
        {SECRET_HEADER: "é" * 32},
        {SECRET_HEADER: "x" * 4000},
        {"X-Auth-Token": "TOKEN"},
        {"X-Auth-Key": "KEY"},
        {"User-Agent": "proxy-server 1"},
    ],
    ids=["empty", "zeros", "no ascii", "long", "a client's token", "the client's key", "the proxy's name"],
)
def test_other_headers_do_not_replace_the_secret(backends: Backends, headers: dict[str, str]) -> None:
    with connected(backends.swift.login) as connection:
        token = connection.get_auth()[1]
    credentials = {"TOKEN": token, "KEY": backends.swift.login.key}
    sent = {name: credentials.get(value, value) for name, value in headers.items()}
    for port in backends.ports:
        for path in backends.paths("object"):
            assert ask(port, "GET", path, sent)[0] == 403
            assert ask(port, "PUT", path, sent)[0] == 403
    assert unchanged(backends)


@pytest.mark.parametrize("path", ["/", "/healthcheck", "/recon/version", "/info", "/d1/0", "/d1/objects/../0", "//x"])
def test_request_for_another_path_is_refused_without_the_secret(backends: Backends, path: str) -> None:
    assert [ask(port, "GET", path)[0] for port in backends.ports] == [403, 403, 403]


def test_proxy_ignores_the_secret_header_of_clients_and_never_returns_it(backends: Backends) -> None:
    """A client that sends the header is not treated as the proxy, and its request succeeds as without the header."""
    with connected(backends.swift.login) as connection:
        url, token = connection.get_auth()
        headers = {"X-Auth-Token": token, SECRET_HEADER: "guessed"}
        path = urlsplit(url).path
        assert ask(backends.swift.port, "GET", f"{path}/box/a", headers) == (200, b"as it was stored")
        assert ask(backends.swift.port, "GET", f"{path}/box/a", {SECRET_HEADER: "guessed"})[0] == 401
        shown = {*connection.head_object("box", "a"), *connection.head_container("box"), *connection.head_account()}
    assert SECRET_HEADER.lower() not in shown


def test_secret_is_only_in_the_configuration_files_of_the_servers(backends: Backends) -> None:
    secret = secret_of(backends.folder)
    head = psutil.Process(backends.swift._process.pid)
    for process in (head, *head.children(recursive=True)):
        assert secret not in " ".join((*process.cmdline(), *process.environ().values()))
    files = [one for one in backends.folder.rglob("*") if one.is_file()]
    holding = [one for one in files if secret.encode() in one.read_bytes()]
    assert {one.name for one in holding} == {f"{kind}-server.conf" for kind in KINDS}
    assert {one.stat().st_mode & 0o777 for one in holding} == {0o600}


def secret_of(folder: Path) -> str:
    (line,) = [one for one in (folder / "etc/object-server.conf").read_text().splitlines() if one.startswith("secret")]
    return line.partition("=")[2].strip()


def test_each_start_creates_a_new_secret(tmp_path: Path) -> None:
    known = set()
    for _ in range(2):
        with swift_in(tmp_path) as swift, connected(swift.login) as connection:
            connection.put_container("box")
            known.add(secret_of(tmp_path))
    assert len(known) == 2
    assert all(len(one) == 64 for one in known)


def test_directory_that_other_users_could_read_is_made_private(tmp_path: Path) -> None:
    """A restored backup may have such permissions."""
    for one in (tmp_path / "store", tmp_path / "store/etc", tmp_path / "store/devices"):
        one.mkdir(mode=0o755)
    with swift_in(tmp_path / "store"):
        assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


def test_internal_clients_of_swift_send_the_secret_to_the_servers_only() -> None:
    """This runs in a process of its own: importing Swift patches the standard library."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _CLIENTS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "False"] * 4


_CLIENTS = """
import socket
from swift.common import bufferedhttp, db_replicator, direct_client
from swift.obj import ssync_sender
from airflow_dlaas.service.objectstore import servers
from airflow_dlaas.service.objectstore.swift_config import BackendPorts

known, foreign = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
port = known.getsockname()[1]
servers.add_secret_header("the-secret", BackendPorts(port, port, port))

def derived(kind):
    def send(port):
        connection = kind(f"127.0.0.1:{port}")
        connection.putrequest("REPLICATE", "/d1/0/x")
        connection.endheaders()
        return connection
    return send

class Replicator(db_replicator.ReplConnection):
    def __init__(self, host):
        bufferedhttp.BufferedHTTPConnection.__init__(self, host)

for send in (
    lambda port: bufferedhttp.http_connect("127.0.0.1", port, "d1", 0, "PUT", "/a/c/o", {"X-Size": 1}),
    lambda port: direct_client.http_connect_raw("127.0.0.1", port, "GET", "/d1/0/a"),
    derived(Replicator),
    derived(ssync_sender.SsyncBufferedHTTPConnection),
):
    for server in (known, foreign):
        connection = send(server.getsockname()[1])
        accepted, _ = server.accept()
        print(b"the-secret" in accepted.recv(65536))
        accepted.close()
"""


def test_all_features_of_the_proxy_reach_the_servers(backends: Backends) -> None:
    """Segments, bulk deletion and copies use different clients inside the proxy."""
    with connected(backends.swift.login) as connection:
        connection.put_container("ways")
        connection.put_object("ways", "a", b"x" * 200_000)
        connection.copy_object("ways", "a", destination="/ways/b")
        connection.post_object("ways", "b", {"X-Object-Meta-Colour": "blue"})
        manifest = b'[{"path": "/ways/a"}, {"path": "/ways/b"}]'
        connection.put_object("ways", "ab", manifest, query_string="multipart-manifest=put")
        assert connection.head_object("ways", "ab")["content-length"] == "400000"
        assert connection.head_object("ways", "b")["x-object-meta-colour"] == "blue"
        assert [one["name"] for one in connection.get_container("ways")[1]] == ["a", "ab", "b"]
        names = b"ways/a\nways/ab\nways/b"
        connection.post_account({"Content-Type": "text/plain"}, query_string="bulk-delete", data=names)
        assert connection.get_container("ways")[1] == []
        connection.delete_container("ways")
        with pytest.raises(swiftclient.ClientException):
            connection.head_container("ways")
    assert "ERROR" not in (backends.folder / "swift.log").read_text()


def test_restarted_server_has_the_same_secret(tmp_path: Path) -> None:
    with swift_in(tmp_path) as swift, connected(swift.login) as connection:
        begun = time.monotonic()  # the store recorded the start of its servers before
        connection.put_container("box")
        ports = [one for one in listening_ports(swift) if one != swift.port]
        first = psutil.Process(swift._process.pid).children()
        time.sleep(max(0.0, begun + RESTART_AFTER - time.monotonic()))
        for one in first:
            one.kill()  # all four; their ports stay open meanwhile, so that requests wait
        assert not psutil.wait_procs(first, timeout=60)[1]
        connection.put_object("box", "a", b"x")
        assert [one["name"] for one in connection.get_container("box")[1]] == ["a"]
        assert {ask(port, "GET", "/")[0] for port in ports} == {403}
        assert swift.is_running()
