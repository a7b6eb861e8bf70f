"""Log streams on the real HTTP server: clients that disappear, clients that read nothing, and hundreds of clients."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
import requests
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.log_stream import follow_log
from airflow_dlaas.client.training_watcher import shared_watcher
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import RateLimited
from airflow_dlaas.service import server
from airflow_dlaas.service.api import log_stream as monitoring
from airflow_dlaas.service.api.app import create_api
from airflow_dlaas.service.api.dependencies import ApiDeps, ApiLimits
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.process import ports
from airflow_dlaas.service.store.base import Store
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.task_runs.wait_for_training import wait_for_training
from tests.conformance.store.conftest import a_definition, a_training
from tests.recording import recording_logger
from tests.unit.service.api.conftest import PASSWORDS, create_deps

TIMEOUT = 60.0
"""Seconds after which an expected event counts as failed."""


@dataclass
class Serving:
    """An API that listens at a port, its store and its job directories."""

    port: int
    deps: ApiDeps

    @property
    def store(self) -> Store:
        return self.deps.store

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def headers(self) -> dict[str, str]:
        credentials = base64.b64encode(f"dlaas:{PASSWORDS['dlaas']}".encode()).decode()
        reply = requests.get(
            f"{self.url}/v3/identity/token", headers={"Authorization": f"Basic {credentials}"}, timeout=TIMEOUT
        )
        return {"Authorization": f"Bearer {reply.json()['token']}"}

    def training(self, training_id: str, log: bytes = b"", state: TrainingState = TrainingState.RUNNING) -> str:
        self.store.create_training(a_training(training_id, "dlaas"), a_definition(), key=None, request_digest="d")
        if state is not TrainingState.PENDING:
            self.start(training_id)
            self.log(training_id).write_bytes(log)
        if state.is_final:
            self.store.finish(training_id, TrainingOutcome(state, utc_now()))
        return training_id

    def start(self, training_id: str) -> None:
        self.store.reserve_gpus(training_id, [training_id], utc_now())
        self.store.record_progress(training_id, TrainingState.RUNNING, Phase.PROCESSING, utc_now())

    def log(self, training_id: str) -> Path:
        folder = JobDirectory(self.deps.jobs_dir / training_id)
        folder.path.mkdir(exist_ok=True)
        return folder.log

    def open_log_streams(self) -> int:
        figures = requests.get(f"{self.url}/metrics", timeout=TIMEOUT).text
        found = re.search(r"^dlaas_monitors_open ([0-9.]+)$", figures, re.MULTILINE)
        return int(float(found[1])) if found else 0

    def until_open_log_streams(self, number: int) -> None:
        until = time.monotonic() + TIMEOUT
        while self.open_log_streams() != number:
            assert time.monotonic() < until, f"{self.open_log_streams()} log streams are open, not {number}"
            time.sleep(0.02)

    def open_silent_client(self, training_id: str, *, receive_buffer: int | None = None) -> socket.socket:
        """Open a log stream over a plain socket that answers no ping and reads nothing."""
        opened = socket.socket()
        if receive_buffer is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        opened.settimeout(TIMEOUT)
        opened.connect(("127.0.0.1", self.port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET /v3/models/{training_id}/monitor HTTP/1.1",
            "Host: localhost",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Authorization: {self.headers()['Authorization']}",
        ]
        opened.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return opened


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "empty.db"
    SqlStore(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def serving(tmp_path: Path, empty_database: Path, request: pytest.FixtureRequest) -> Iterator[Serving]:
    """A server; an indirect parameter is its limit of log streams."""
    deps = replace(create_deps(tmp_path, empty_database), limits=ApiLimits(log_streams=getattr(request, "param", 2000)))
    listener = ports.listen("127.0.0.1", 0)
    with server.serve_in_thread(create_api(deps), listener, None):
        yield Serving(ports.socket_port(listener), deps)
    deps.store.close()


async def opened(serving: Serving, ids: list[str]) -> list[ClientConnection]:
    headers = serving.headers()
    url = f"ws://127.0.0.1:{serving.port}/v3/models"
    found = [connect(f"{url}/{one}/monitor", additional_headers=headers, open_timeout=TIMEOUT) for one in ids]
    return list(await asyncio.gather(*found))


def test_log_stream_is_not_compressed(serving: Serving) -> None:
    """Compression buffers would be most of a log stream's memory."""

    async def scenario() -> None:
        (one,) = await opened(serving, [serving.training("training-a", b"one\n")])
        assert one.protocol.extensions == []
        await one.close()

    asyncio.run(scenario())


def test_log_stream_closes_if_its_client_answers_no_ping(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    serving.training("training-a")
    monkeypatch.setattr(server, "PING_INTERVAL", 0.2)
    listener = ports.listen("127.0.0.1", 0)
    with server.serve_in_thread(create_api(serving.deps), listener, None):
        quick = Serving(ports.socket_port(listener), serving.deps)
        with quick.open_silent_client("training-a") as one:
            received = b"".join(iter(lambda: one.recv(4096), b""))  # until the service closes it, since no pong is sent
            assert received.startswith(b"HTTP/1.1 101 ")
            quick.until_open_log_streams(0)


def test_log_stream_closes_if_its_client_reads_nothing(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    serving.training("training-a", b"one line of many\n" * 2_000_000, TrainingState.COMPLETED)
    monkeypatch.setattr(monitoring, "SEND_TIMEOUT", 0.3)
    monkeypatch.setattr(server, "UNREAD_TIMEOUT", 1.0)
    listener = ports.listen("127.0.0.1", 0)
    with server.serve_in_thread(create_api(serving.deps), listener, None):
        quick = Serving(ports.socket_port(listener), serving.deps)
        with quick.open_silent_client("training-a", receive_buffer=4096) as one:
            quick.until_open_log_streams(0)
            until = time.monotonic() + TIMEOUT
            while connected(one):
                assert time.monotonic() < until, "the connection of a client that reads nothing stays open"
                time.sleep(0.1)


def connected(one: socket.socket) -> bool:
    """Whether the server, in this process, still has the other end of *one*."""
    ends = psutil.Process().net_connections("tcp")
    return any(end.raddr and tuple(end.raddr) == one.getsockname() for end in ends)


def test_hundreds_of_log_streams_do_not_delay_the_stop_of_the_service(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "SHUTDOWN_TIMEOUT", 120)  # on a busy machine the end may take a while
    deps = create_deps(tmp_path, empty_database)

    async def scenario() -> None:
        with ExitStack() as stack:
            listener = ports.listen("127.0.0.1", 0)
            stack.enter_context(server.serve_in_thread(create_api(deps), listener, None))
            serving = Serving(ports.socket_port(listener), deps)
            ids = [serving.training(f"training-{number:03}", b"one\n") for number in range(20)]
            streams = await opened(serving, ids * 15)
            await asyncio.gather(*(one.recv() for one in streams))
            await asyncio.to_thread(stack.close)
            assert (
                "timeout graceful shutdown exceeded" not in caplog.text
            )  # uvicorn's message about connections that it closes by force
            for one in streams:
                with pytest.raises(ConnectionClosed):
                    await one.recv()
            assert {one.close_code for one in streams} == {1012}

    asyncio.run(scenario())
    deps.store.close()


@pytest.mark.parametrize("serving", [4], indirect=True)  # one user may open three of them
def test_client_gets_retry_after_if_too_many_log_streams_are_open(serving: Serving) -> None:
    ids = [serving.training(f"training-{number}", b"one\n") for number in range(4)]

    async def scenario() -> float | None:
        streams = await opened(serving, ids[:3])
        with Client(serving.url, "dlaas", PASSWORDS["dlaas"]) as client:
            with pytest.raises(RateLimited, match="DLAAS_MONITOR_LIMIT") as refused:
                await anext(follow_log(client, ids[3], retries=NO_RETRY))
            await asyncio.gather(*(one.close() for one in streams))
            serving.until_open_log_streams(0)
            async with aclosing(follow_log(client, ids[3], retries=NO_RETRY)) as frames:
                assert (await anext(frames)).status.message == "one\n"
        return refused.value.retry_after

    assert 10 <= (asyncio.run(scenario()) or 0) <= 11


class Waits:
    """Waits as in the triggers, with one shared watcher; records the log of each wait."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self.logged: dict[str, list[str]] = {}

    async def of(self, ids: list[str]) -> None:
        """Wait until all of *ids* have ended."""

        def make() -> Client:
            return Client(self._serving.url, "dlaas", PASSWORDS["dlaas"])

        async with shared_watcher(f"waits at {self._serving.url}", make) as watch:
            waits = []
            for one in ids:
                self.logged[one] = []
                logger = recording_logger(self.logged[one].append)
                waits.append(wait_for_training(watch.client, watch, one, deadline=None, logger=logger))
            await asyncio.gather(*waits)

    async def until_logged(self, text: str, *ids: str) -> None:
        until = time.monotonic() + TIMEOUT
        while not all(any(text in line for line in self.logged.get(one, ())) for one in ids):
            assert time.monotonic() < until, f"{text!r} is not in {self.logged}"
            await asyncio.sleep(0.02)


def test_waits_open_no_log_stream_for_queued_trainings_and_get_the_whole_log(serving: Serving) -> None:
    ids = [serving.training(f"training-{number}", state=TrainingState.PENDING) for number in range(5)]

    async def scenario() -> dict[str, list[str]]:
        waits = Waits(serving)
        waiting = asyncio.create_task(waits.of(ids))
        await waits.until_logged("pending", *ids)
        await asyncio.sleep(0.5)
        assert await asyncio.to_thread(serving.open_log_streams) == 0
        for one in ids:
            serving.log(one).write_bytes(b"written before it was seen running\n")
            serving.start(one)
        await asyncio.to_thread(serving.until_open_log_streams, len(ids))
        for one in ids:
            with serving.log(one).open("ab") as log:
                log.write(b"written meanwhile\nwritten last, without an end")
            serving.store.finish(one, TrainingOutcome(TrainingState.COMPLETED, utc_now()))
        await waiting
        return waits.logged

    for logged in asyncio.run(scenario()).values():
        lines = [line for text in logged if not text.startswith("Training ") for line in text.splitlines()]
        assert lines == ["written before it was seen running", "written meanwhile", "written last, without an end"]


@pytest.mark.parametrize("serving", [1], indirect=True)
def test_wait_without_a_log_stream_continues_and_gets_the_log_at_the_end(serving: Serving) -> None:
    one, other = (serving.training(f"training-{number}", b"the log\n") for number in range(2))

    async def scenario() -> dict[str, list[str]]:
        waits = Waits(serving)
        first = asyncio.create_task(waits.of([one]))
        await waits.until_logged("running", one)
        await asyncio.to_thread(serving.until_open_log_streams, 1)
        second = asyncio.create_task(waits.of([other]))
        await waits.until_logged("Following the log of training", other)
        assert "the log" not in waits.logged[other]
        serving.store.finish(other, TrainingOutcome(TrainingState.COMPLETED, utc_now()))
        await second
        assert not first.done()
        serving.store.finish(one, TrainingOutcome(TrainingState.COMPLETED, utc_now()))
        await first
        return waits.logged

    for logged in asyncio.run(scenario()).values():
        assert "the log" in logged
