"""Access to a running service without a credential: by the command of a training, and by another Unix user."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer
from tests.integration.service.learner.conftest import bubblewrap_works
from tests.running import NO_BUBBLEWRAP

CONTENT = b"data of another training\n"
OTHER_UID = 65534

OPEN = {"/health", "/metrics", "/openapi.json", "/info", "/healthcheck"}
"""Paths that answer without a credential: health, metrics, and the descriptions of the API and of Swift."""

PROBE = """
import http.client, json
for port, method, path in json.loads(given):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"X-Timestamp": "9999999999.00000", "Content-Type": "text/plain", "X-Size": "1", "X-Etag": "x"}
    try:
        connection.request(method, path, b"overwritten" if method in ("PUT", "POST") else b"", headers)
        reply = connection.getresponse()
        print("PROBE", json.dumps([port, method, path, reply.status, reply.read().decode("latin-1")]))
    except (OSError, http.client.HTTPException) as error:
        print("PROBE", json.dumps([port, method, path, 0, repr(error)]))
    connection.close()
"""
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "REPLICATE")


@dataclass
class Machine:
    """A running service with a user's data in its store."""

    service: ServiceProcess
    customer: Customer
    front: list[int]
    """The ports of the API and of Swift's proxy, which clients use."""
    back: list[int]
    """All others."""

    @cached_property
    def requests(self) -> list[tuple[int, str, str]]:
        """URLs to try: the paths of the API, and of stored data as clients and as Swift's servers name them."""
        box = f"/AUTH_dlaas/{self.customer.data}"
        devices = self.service.home / "swift/devices/d1"
        paths = [f"/v1{box}", f"/v1{box}/numbers.txt", "/v1/AUTH_dlaas", *sorted(OPEN)]
        paths += ["/v3/models", "/v3/ml_assets/experiments", "/v3/wml_instances/default", "/auth/v1.0"]
        for kind, name in (("accounts", "/AUTH_dlaas"), ("containers", box), ("objects", f"{box}/numbers.txt")):
            paths += [f"/d1/{one.name}{name}" for one in (devices / kind).iterdir() if one.name.isdigit()]
        return [(port, method, path) for port in (*self.front, *self.back) for path in paths for method in METHODS]

    def check(self, output: str) -> None:
        """Assert that each request was sent and refused."""
        answers = [json.loads(line.removeprefix("PROBE ")) for line in output.splitlines() if line.startswith("PROBE ")]
        assert len(answers) == len(self.requests)
        for port, method, path, status, body in answers:
            what = (port, method, path, status, body)
            assert CONTENT.decode() not in body, what
            assert self.customer.data not in body.replace(path, ""), what
            if port in self.back:
                assert status == 403, what
            elif path not in OPEN:
                assert 400 <= status < 500, what
            if method == "GET" and (port, path[:4]) in zip(self.front, ("/v3/", "/v1/"), strict=True):
                assert status == 401, what
        with self.customer.swift() as swift:
            assert [one.name for one in swift.list_objects(self.customer.data)] == ["numbers.txt"]
            assert swift.read_range(self.customer.data, "numbers.txt", 0, len(CONTENT)) == CONTENT


def processes(service: ServiceProcess) -> list[psutil.Process]:
    head = psutil.Process(service.pid)
    return [one for one in (head, *head.children(recursive=True)) if lives(one)]


def lives(one: psutil.Process) -> bool:
    try:
        return bool(one.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # a learner that has ended after it was listed
        return False


def sockets(service: ServiceProcess, kind: str) -> list[Any]:
    return [one for process in processes(service) for one in process.net_connections(kind)]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that every Unix user may enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="dlaas-machine-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Machine]:
    (folder / "home").mkdir(mode=0o777)  # as created by hand before the first start
    (folder / "home").chmod(0o777)
    with closing(ServiceProcess(folder / "home")) as process:
        process.start()
        with process.client() as client:
            customer = Customer(process, client)
            with customer.swift() as swift:
                swift.put(customer.data, "numbers.txt", CONTENT)
            listening = {one.laddr.port for one in sockets(process, "inet") if one.status == psutil.CONN_LISTEN}
            known = process.connections()
            front = [urlsplit(known[name]["host"]).port or 0 for name in ("dlaas_default", "swift_default")]
            yield Machine(process, customer, front, sorted(listening - set(front)))


def test_service_listens_at_five_ports_on_loopback_only(machine: Machine) -> None:
    opened = [one for one in sockets(machine.service, "inet") if one.status == psutil.CONN_LISTEN or not one.raddr]
    assert {one.laddr.ip for one in opened} == {"127.0.0.1"}
    assert {one.laddr.port for one in opened} == {*machine.front, *machine.back}
    assert len(machine.back) == 3  # no memcached, no rsync, no syslog
    assert not [one for one in sockets(machine.service, "unix") if one.laddr]  # a sandbox can reach abstract sockets


def test_sandboxed_training_gets_no_data_from_any_port(machine: Machine) -> None:
    if not bubblewrap_works():
        pytest.skip(NO_BUBBLEWRAP)
    customer = machine.customer
    code = f"given = {json.dumps(machine.requests)!r}\n{PROBE}"
    training = customer.end(customer.submit("python3 main.py", main=code))
    assert training.status.isolation == "bubblewrap"
    machine.check(customer.command_output(training.id))


def run_as_other_user(code: str, given: Any) -> str:
    """
    Run *code* as a user that owns no files; return its output.

    The modules are loaded first: that user cannot read them.
    """
    become = f"""
import encodings.idna, http.client, json, os, sys
given = sys.stdin.read()
os.setgroups([]); os.setgid({OTHER_UID}); os.setuid({OTHER_UID})
"""
    line = [sys.executable, "-c", become + code]
    done = subprocess.run(line, input=json.dumps(given), capture_output=True, text=True, timeout=240, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run the tests as root")


@root_only
def test_other_unix_user_gets_no_data_from_any_port(machine: Machine) -> None:
    machine.check(run_as_other_user(PROBE, machine.requests))


@root_only
def test_other_unix_user_cannot_read_the_data_directory_or_the_processes(machine: Machine) -> None:
    files = [str(one) for one in machine.service.home.rglob("*") if one.is_file()]
    assert any(one.endswith("object-server.conf") for one in files)
    names = ("environ", "mem", "maps", "fd")
    kept = [f"/proc/{one.pid}/{name}" for one in processes(machine.service) for name in names]
    code = """
for path in json.loads(given):
    for attempt in (open, os.listdir):
        try:
            attempt(path)
            print(path)
        except OSError:
            pass
"""
    assert run_as_other_user(code, [str(machine.service.home), *files, *kept]) == ""
    assert run_as_other_user(code, ["/etc/passwd"]) == "/etc/passwd\n"


def test_files_with_secrets_are_readable_by_their_owner_only(machine: Machine) -> None:
    home = machine.service.home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "swift").stat().st_mode) == 0o700
    secrets = [home / "credentials.json", home / "connections.json", *(home / "swift/etc").glob("*.conf")]
    assert len(secrets) == 7
    assert {stat.S_IMODE(one.stat().st_mode) for one in secrets} == {0o600}


def test_command_lines_contain_no_secret(machine: Machine) -> None:
    credentials = json.loads((machine.service.home / "credentials.json").read_text())
    config = (machine.service.home / "swift/etc/object-server.conf").read_text()
    (secret,) = [line.split("=")[1].strip() for line in config.splitlines() if line.startswith("secret")]
    known = [secret, *(credentials[name] for name in ("password", "swift_key", "token_key"))]
    lines = [" ".join(one.cmdline()) for one in processes(machine.service)]
    assert not [one for one in known if any(one in line for line in lines)]
