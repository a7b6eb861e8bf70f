"""A service with TLS: its API, its Swift, its command line, and trainings that load data from it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import struct
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk import Connection

from airflow_dlaas.cli.exit_codes import ExitCode
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.connections import ServiceConnection
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.certificates import Pair, pair
from tests.conftest import ServiceProcess, free_port
from tests.integration.service.conftest import Customer

TIMEOUT = 30.0
"""Seconds that the service may take on a busy machine; less than the timeout of a TLS handshake."""


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return pair(tmp_path_factory.mktemp("tls"), "127.0.0.1")


def settings(one: Pair) -> dict[str, str]:
    return {
        "DLAAS_TLS_CERTIFICATE": str(one.certificate),
        "DLAAS_TLS_KEY": str(one.key),
        "DLAAS_TLS_CA": str(one.certificate),
    }


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, issued: Pair) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("service") / "home"
    with closing(ServiceProcess(home, **settings(issued))) as process:
        process.start()
        yield process


class Trusting(Customer):
    """A user who trusts the service's certificate authority."""

    authority = ""

    def swift(self) -> SwiftStore:
        return SwiftStore.open(SwiftStoreConnection.model_validate(self.store), verify=self.authority)


@pytest.fixture
def customer(service: ServiceProcess, issued: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trusting]:
    monkeypatch.setattr(Trusting, "authority", str(issued.certificate))
    known = service.connections()["dlaas_default"]
    with Client(known["host"], known["login"], known["password"], verify=str(issued.certificate)) as client:
        yield Trusting(service, client)


def socket_address(service: ServiceProcess, name: str) -> tuple[str, int]:
    found = urlsplit(service.connections()[name]["host"])
    return str(found.hostname), int(found.port or 0)


def test_training_completes_over_tls_only(customer: Trusting) -> None:
    ended = customer.end(customer.submit("cat $DATA_DIR/numbers.txt"))
    assert ended.state is TrainingState.COMPLETED, ended.status
    assert customer.command_output(ended.id) == "1 2 3\n"
    assert customer.store["auth_url"].startswith("https://")
    assert ended.entity.model_definition.definition_location.startswith("https://")


def test_connections_file_names_the_ca_file(service: ServiceProcess, issued: Pair) -> None:
    connections = service.connections()
    by_s3 = json.loads(connections.pop("dlaas_s3")["extra"])
    assert by_s3["endpoint_url"].startswith("https://")
    assert by_s3["verify"] == str(issued.certificate)
    for fields in connections.values():
        assert fields["host"].startswith("https://")
        assert json.loads(fields["extra"]) == {"ca_file": str(issued.certificate)}
    access = ServiceConnection.from_connection(Connection(conn_id="x", **service.connections()["dlaas_default"]))
    assert access.verify == str(issued.certificate)


def test_command_line_trusts_the_configured_ca(customer: Trusting, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    sent = customer.service.console("upload", str(tmp_path / "a.txt"), "by-hand")
    assert sent.returncode == 0, sent.stderr
    training = customer.end(customer.submit("echo printed over tls"))
    result = customer.service.console("logs", "--follow", training.id)
    assert "printed over tls" in result.stdout, result.stderr


def test_client_without_the_ca_does_not_trust_the_service(service: ServiceProcess) -> None:
    known = service.connections()["dlaas_default"]
    with Client(known["host"], known["login"], known["password"]) as client, pytest.raises(NotConfigured):
        client.token()


@pytest.mark.parametrize("name", ["dlaas_default", "swift_default"])
def test_plain_http_requests_get_no_response(service: ServiceProcess, name: str) -> None:
    with socket.create_connection(socket_address(service, name), timeout=TIMEOUT) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while chunk := plain.recv(4096):
                assert b"HTTP/" not in chunk


@pytest.mark.parametrize("name", ["dlaas_default", "swift_default"])
def test_silent_and_closed_connections_do_not_block_other_clients(
    service: ServiceProcess, issued: Pair, name: str
) -> None:
    where = socket_address(service, name)
    silent = [socket.create_connection(where) for _ in range(50)]
    try:
        for _ in range(50):
            reset = socket.create_connection(where)
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reset.close()  # a reset
            with socket.create_connection(where) as nonsense:
                nonsense.sendall(b"GET / HTTP/1.0\r\n\r\n")
        trusting = ssl.create_default_context(cafile=str(issued.certificate))
        with closing(http.client.HTTPSConnection(*where, timeout=TIMEOUT, context=trusting)) as connection:
            connection.request("GET", "/healthcheck")
            assert connection.getresponse().status in (200, 404)
        log = service.home / "swift" / "swift.log"
        assert "ended with" not in log.read_text()
    finally:
        for one in silent:
            one.close()


def test_embedded_store_serves_many_tls_clients_at_the_same_time(customer: Trusting) -> None:
    content = bytes(range(256)) * 4096

    def round_trip(number: int) -> bool:
        with customer.swift() as swift:
            swift.put(customer.data, f"many/{number}", content)
            return any(one.name == f"many/{number}" for one in swift.list_objects(customer.data, f"many/{number}"))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trip, range(24)))


def test_old_tls_versions_are_refused(service: ServiceProcess) -> None:
    for name in ("dlaas_default", "swift_default"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(socket_address(service, name)) as plain, pytest.raises(OSError, match=r"."):
            context.wrap_socket(plain)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"DLAAS_TLS_KEY": "{other}"}, "DLAAS_TLS_KEY is {other}, which is not the key"),
        ({"DLAAS_TLS_CERTIFICATE": "{missing}"}, "DLAAS_TLS_CERTIFICATE is {missing}, which cannot be read"),
        ({"DLAAS_TLS_CA": ""}, "Set DLAAS_TLS_CA to the file of the authority"),
        ({"DLAAS_HOST": "0.0.0.0", "DLAAS_PUBLIC_URL": "https://other.org"}, "clients that call the service other.org"),
        ({"DLAAS_HOST": "0.0.0.0", "DLAAS_PASSWORD": "changeme"}, "is one of the most common passwords"),
    ],
)
def test_serve_reports_tls_errors_before_it_starts_anything(
    tmp_path: Path, issued: Pair, changed: dict[str, str], words: str
) -> None:
    other = str(pair(tmp_path / "other", "127.0.0.1").key)
    missing = tmp_path / "missing.pem"
    overrides: dict[str, Any] = {name: value.format(other=other, missing=missing) for name, value in changed.items()}
    process = ServiceProcess(tmp_path / "home", **(settings(issued) | overrides))
    done = process.console("serve")
    assert done.returncode == ExitCode.NOT_CONFIGURED
    assert words.format(other=other, missing=missing) in done.stderr
    assert "Traceback" not in done.stderr
    assert not (process.home / "swift").exists()
    assert not (process.home / "connections.json").exists()


def test_service_with_tls_listens_beyond_loopback_without_an_option(tmp_path: Path, issued: Pair) -> None:
    given = settings(issued) | {"DLAAS_HOST": "0.0.0.0"}
    with closing(ServiceProcess(tmp_path / "home", **given)) as process:
        process.start()
        assert process.connections()["swift_default"]["host"].startswith("https://127.0.0.1:")
        assert process.console("runs").returncode == 0


def test_health_check_of_the_container_image_works_with_tls(service: ServiceProcess) -> None:
    done = run_health_check(service.environment)
    assert (done.returncode, json.loads(done.stdout.split(" ", 1)[1])["status"]) == (0, "ok")
    done = run_health_check(service.environment | {"DLAAS_PORT": str(free_port())})
    assert (done.returncode, done.stdout) == (1, "")


def run_health_check(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).parents[3] / "deploy" / "health.py"
    return subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
