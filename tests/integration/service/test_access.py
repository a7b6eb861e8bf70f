"""Logins at a real service, and requests that try to misuse it."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from airflow_dlaas.cli.exit_codes import ExitCode
from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer

TIMEOUT = 60.0
"""Seconds that the service may take for a response or an action on a busy machine."""

GOOD = "a-long-enough-password"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("access")
    (folder / "users").write_text("# no users yet\n")
    given = {"DLAAS_USERS": str(folder / "users"), "DLAAS_OBJECT_STORES": "store.invalid:8080"}
    with closing(ServiceProcess(folder / "home", **given)) as process:
        process.start()
        yield process


def url(service: ServiceProcess) -> str:
    found: str = service.connections()["dlaas_default"]["host"]
    return found


def log_in(service: ServiceProcess, user: str, password: str) -> requests.Response:
    return requests.get(f"{url(service)}/v3/identity/token", auth=(user, password), timeout=30)


def test_users_can_be_added_and_removed_while_the_service_runs(service: ServiceProcess) -> None:
    assert log_in(service, "ada", GOOD).status_code == 401
    added = service.console("users", "add", "ada", stdin=f"{GOOD}\n")
    assert (added.returncode, added.stdout) == (0, "ada may log in now\n"), added.stderr
    token = log_in(service, "ada", GOOD).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{url(service)}/v3/models", headers=bearer, timeout=30).status_code == 200
    assert service.console("users", "list").stdout == "ada\n"

    changed = service.console("users", "add", "ada", stdin=f"{GOOD}-2\n")
    assert changed.stdout == "ada has another password now\n"
    assert requests.get(f"{url(service)}/v3/models", headers=bearer, timeout=30).status_code == 401
    assert log_in(service, "ada", GOOD).status_code == 401
    bearer = {"Authorization": f"Bearer {log_in(service, 'ada', GOOD + '-2').json()['token']}"}

    removed = service.console("users", "remove", "ada")
    assert removed.stdout == "ada may no longer log in\n"
    refused = requests.get(f"{url(service)}/v3/models", headers=bearer, timeout=30)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (401, "invalid_authorization_token")
    assert log_in(service, "ada", GOOD + "-2").status_code == 401
    # The service's own user could log in all the time.
    assert service.console("runs").returncode == 0
    assert GOOD not in service.log.read_text()


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [
        ("ada", "x" * 73, "73 bytes, and bcrypt uses only the first 72"),
        ("ada", "changeme", "most common passwords"),
        ("ada", "short", "fewer than 12 characters"),
        ("longish-name", "longish-name", "the user's name"),
        ("ada", "", "fewer than 12"),
        ("a:b", GOOD, "without blanks and colons"),
    ],
)
def test_users_command_reports_invalid_users_in_one_sentence(
    service: ServiceProcess, name: str, password: str, words: str
) -> None:
    before = Path(service.environment["DLAAS_USERS"]).read_text()
    done = service.console("users", "add", name, stdin=password + "\n")
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert Path(service.environment["DLAAS_USERS"]).read_text() == before


def test_users_command_accepts_a_weak_password_only_with_the_option(tmp_path: Path, service: ServiceProcess) -> None:
    file = tmp_path / "users"
    assert service.console("users", "add", "ada", "--file", str(file), "--weak", stdin="short\n").returncode == 0
    name, _, hashed = file.read_text().strip().partition(":")
    assert name == "ada"
    assert bcrypt.checkpw(b"short", hashed.encode())
    assert file.stat().st_mode & 0o777 == 0o600


def test_users_remove_reports_an_unknown_user(service: ServiceProcess) -> None:
    done = service.console("users", "remove", "unknown")
    assert (done.returncode, "There is no user unknown" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"DLAAS_USERS": "{users}"}, "line 1: only bcrypt hashes are accepted"),
        ({"DLAAS_USERS": "{missing}"}, "airflow-dlaas users add NAME creates it"),
        ({"DLAAS_USERS": "{own}"}, "has a user dlaas, the name of the service's own user"),
        ({"DLAAS_OBJECTSTORE": "off"}, "DLAAS_OBJECT_STORES"),
        ({"DLAAS_HOST": "0.0.0.0"}, "--insecure-listen"),
        ({"DLAAS_PUBLIC_URL": "https://dl.example.org", "DLAAS_PASSWORD": "geheim"}, "reach the service at dl.example"),
    ],
)
def test_serve_refuses_invalid_settings_before_it_starts_anything(
    tmp_path: Path, given: dict[str, str], words: str
) -> None:
    (tmp_path / "users").write_text("eve:$apr1$ybZlVn9B$Z8nbjVdMwKJKjcpqTpS8t1\n")
    (tmp_path / "own").write_text(f"dlaas:{bcrypt.hashpw(b'x', bcrypt.gensalt(4)).decode()}\n")
    places = {name: tmp_path / name for name in ("users", "own", "missing")}
    process = ServiceProcess(tmp_path / "home", **{name: value.format(**places) for name, value in given.items()})
    done = process.console("serve")
    assert done.returncode == ExitCode.NOT_CONFIGURED
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "apr1" not in done.stderr
    assert not (process.home / "swift").exists()


def test_weak_password_is_accepted_on_loopback_and_refused_beyond_it(tmp_path: Path) -> None:
    process = ServiceProcess(
        tmp_path / "home", DLAAS_PASSWORD="geheim", DLAAS_OBJECTSTORE="off", DLAAS_OBJECT_STORES="any"
    )
    with closing(process):
        process.start()
        process.stop()
        del process.environment["DLAAS_PASSWORD"]  # it is in the data directory now
        process.environment["DLAAS_PUBLIC_URL"] = "https://dl.example.org"
        assert "fewer than 12 characters" in process.console("serve").stderr
        process.environment["DLAAS_INSECURE_LISTEN"] = "yes"
        process.start()


class Listener:
    """A server inside the site's network that must not be called."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    def called(self) -> bool:
        time.sleep(0.3)
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


def test_submit_calls_no_object_store_that_is_not_allowed(service: ServiceProcess) -> None:
    listener = Listener()
    with closing(listener.socket), service.client() as client:
        customer = Customer(service, client)
        for host in (
            f"127.0.0.1:{listener.port}",
            f"localhost:{listener.port}",
            f"store.invalid@127.0.0.1:{listener.port}",
        ):
            definition = customer.definition("true")
            definition["training_results"]["connection"] = {**customer.store, "auth_url": f"http://{host}/auth/v1.0"}
            reply = requests.post(
                f"{url(service)}/v3/models",
                json=definition,
                headers={"Authorization": f"Bearer {client.token()}"},
                timeout=30,
            )
            assert reply.status_code == 400, host
            error = reply.json()["errors"][0]
            assert error["target"]["name"] == "training_results.connection.auth_url"
            if "@" not in host:
                assert error["code"] == "C103"
                assert "DLAAS_OBJECT_STORES" in error["message"]
                assert "store.invalid:8080" in error["message"]
        assert not listener.called()


def test_embedded_store_is_allowed_by_the_machine_name_too(service: ServiceProcess) -> None:
    with service.client() as client:
        customer = Customer(service, client)
        customer.store["auth_url"] = customer.store["auth_url"].replace("127.0.0.1", "localhost")
        assert customer.submit("true").startswith("training-")


def send(service: ServiceProcess, head: bytes) -> bytes:
    """
    Send *head* and nothing more; return the bytes that the service sends before it closes the connection.

    :raises TimeoutError: the service does not close the connection.
    """
    where = urlsplit(url(service))
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=TIMEOUT) as sock:
        answer = b""
        try:
            sock.sendall(head)
            while piece := sock.recv(65536):
                answer += piece
        except TimeoutError:
            raise
        except OSError:
            pass
        return answer


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 200_000,
        b"GET /" + b"a" * 200_000,
        b"GET /health HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(1000)),
    ],
    ids=["one header", "the line", "many headers"],
)
def test_server_closes_a_connection_with_endless_headers(service: ServiceProcess, head: bytes) -> None:
    answer = send(service, head)  # raises TimeoutError if the service waits for more
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]


def test_log_stream_closes_after_a_large_message_of_its_client(service: ServiceProcess) -> None:
    with service.client() as client:
        customer = Customer(service, client)
        training = customer.submit("sleep 600")
        where = url(service).replace("http", "ws", 1) + f"/v3/models/{training}/monitor"
        bearer = {"Authorization": f"Bearer {client.token()}"}
        with pytest.raises(ConnectionClosed) as caught, monitor_at(where, bearer) as monitor:
            talk(monitor)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009  # too big
        client.send(calls.cancel_training(training))


def monitor_at(where: str, headers: dict[str, str]) -> ClientConnection:
    return connect(where, additional_headers=headers, open_timeout=TIMEOUT)


def talk(monitor: ClientConnection) -> None:
    monitor.send("x" * 1_000_000)
    while True:
        monitor.recv(timeout=TIMEOUT)


@pytest.mark.parametrize(
    "path",
    [
        "/v3/models/..",
        "/v3/models/../../../etc/passwd",
        "/v3/models/..%2f..%2fdatabase.sqlite",
        "/v3/models/%2e%2e",
        "/v3/models/" + "a" * 65,
        "/v3/models/%2fetc%2fpasswd",
        "/v3/models/a%00b",
        "/v3/models/training-a%0a",
        "/v3/ml_assets/experiments/..%2f..%2fcredentials.json/content",
        "/v3/ml_assets/experiments/a/versions/..%2f..%2f..%2fcredentials.json/content",
        "/v3/wml_instances/..%2f..%2fcredentials.json",
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_ids_in_paths_never_reach_the_file_system(service: ServiceProcess, method: str, path: str) -> None:
    known = service.connections()["dlaas_default"]
    with Client(known["host"], known["login"], known["password"]) as client:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Authorization: Bearer {client.token()}"]
    answer = send(service, "\r\n".join([*lines, "", ""]).encode())
    assert answer.split(b" ", 2)[1] in (b"404", b"405"), answer
    assert b"sqlite" not in answer.partition(b"\r\n\r\n")[2]
    assert (service.home / "database.sqlite").exists()
    assert (service.home / "credentials.json").exists()


def test_password_guessing_is_throttled_per_login_and_address(service: ServiceProcess) -> None:
    def guess(login: str, address: str) -> int:
        basic = base64.b64encode(f"{login}:wrong".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "X-Forwarded-For": address}  # as a proxy on this machine sends it
        return requests.get(f"{url(service)}/v3/identity/token", headers=headers, timeout=30).status_code

    assert [guess("eve", "203.0.113.7") for _ in range(11)] == [401] * 10 + [429]
    assert guess("eve", "203.0.113.8") == 401
    assert service.console("runs").returncode == 0
    assert json.loads((service.home / "credentials.json").read_text())["user"] == "dlaas"
