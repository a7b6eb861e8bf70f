"""
Cost of waits for the service: CPU seconds per minute, memory, and the duration of a cancel meanwhile.

Run by hand: ``python benchmarks/waiting.py [--waits 1000] [--seconds 20] [queued] [running]``, two minutes in all.
The waits are those of the triggers, in this process: one shared watcher, and `wait_for_training` for each training.

*queued*: a real service (``airflow-dlaas serve``) with one GPU slot; the trainings are queued behind a running one.
*running*: the API of a service without a dispatcher; the logs of the trainings grow by a line every ten seconds.
The trainings are written into the store before the service starts: their submission would take longer than the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

import psutil
import requests

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.log_stream import follow_log
from airflow_dlaas.client.training_watcher import shared_watcher
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.config.data_dir import DataDir
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.store.records import TrainingRecord
from airflow_dlaas.service.store.secret_encryption import derive_key
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.task_runs.wait_for_training import wait_for_training
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer
from tests.recording import recording_logger

WRITE_EVERY = 10.0
"""Seconds between two lines of a running training's log."""

SETTLE = 60.0
"""Seconds that the start of all waits may take."""

CANCELS = 40
"""Trainings that are canceled, half of them without waits and half during the waits."""

TIMED_LOGS = 5
"""Logs of which the delay of each line, from the write to the client, is measured."""


def definition() -> TrainingDefinition:
    store = {"auth_url": "http://127.0.0.1:9/auth/v1.0", "userId": "a:u", "password": "made-up"}
    return TrainingDefinition.parse(
        {
            "model_definition": {
                "name": "waiting",
                "definition_location": "/v3/ml_assets/experiments/none",
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {"command": "true", "resourceType": "small"},
            },
            "training_data": [{"connection": store, "source": {"container": "c", "type": "softlayer_objectstore"}}],
        }
    )


def records(count: int, prefix: str) -> Iterator[TrainingRecord]:
    now = datetime.now(timezone.utc)
    masked_definition = definition().model_dump(mode="json", exclude_unset=True)
    for number in range(count):
        yield TrainingRecord(
            id=f"training-{prefix}{number:05}",
            owner="dlaas",
            definition=masked_definition,
            code="0" * 64,
            slots=1,
            runtime="tensorflow test",
            provides="the interpreter that runs the tests",
            state=TrainingState.PENDING,
            submitted_at=now,
            modified_at=now,
        )


@dataclass
class Setup:
    """A service with trainings in its store, and the logs that grow during the waits."""

    service: ServiceProcess | ApiProcess
    trainings: list[str]
    to_cancel: list[str]
    logs: dict[str, Path] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.service.connections()["dlaas_default"]["host"])

    def open_log_streams(self) -> int:
        found = re.search(
            r"^dlaas_monitors_open ([0-9.]+)", requests.get(f"{self.url}/metrics", timeout=30).text, re.MULTILINE
        )
        return int(float(found[1])) if found else 0


class ApiProcess:
    """The API of a data directory in a process, without a dispatcher, which would report the trainings as lost."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def up(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--api-only", str(self.home)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        assert b"ready" in self._process.stdout.readline()

    def stop(self) -> int:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGTERM)
        with process:
            return process.wait(60)

    def connections(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads((self.home / "connections.json").read_text())
        return found


def serve_api_only(data_dir: DataDir) -> None:
    """Run the service of *data_dir* without a dispatcher until SIGTERM."""
    from airflow_dlaas.service.dispatcher.loop import Dispatcher

    for name in ("start", "stop", "wake"):
        setattr(Dispatcher, name, lambda self: None)  # noqa: ARG005
    Dispatcher.is_running = True  # type: ignore[assignment,method-assign]
    os.environ |= environment(data_dir.path)
    from airflow_dlaas.service.config.read_settings import read_settings
    from airflow_dlaas.service.foreground import serve

    serve(read_settings(os.environ), lambda line: print(line, flush=True))


def environment(home: Path) -> dict[str, str]:
    return {
        "DLAAS_HOME": str(home),
        "DLAAS_PORT": "0",
        "DLAAS_OBJECTSTORE": "off",
        "DLAAS_OBJECT_STORES": "any",
        "DLAAS_GPUS": "virtual:1",
    }


@contextlib.contextmanager
def prepared(folder: Path, waits: int, *, running: bool) -> Iterator[Setup]:
    """Start a service with *waits* trainings in its store."""
    home = folder / "home"
    with contextlib.closing(ServiceProcess(home, DLAAS_GPUS="virtual:1")) as service:
        service.start()
        if not running:
            with service.client() as client:
                customer = Customer(service, client)
                customer.wait(customer.submit("sleep 3600"), lambda training: training.state is TrainingState.RUNNING)
        service.stop()  # the training continues
        trainings, to_cancel, logs = stored(home, waits, running=running)
        serving = ApiProcess(home) if running else service
        serving.start()
        try:
            yield Setup(serving, trainings, to_cancel, logs)
        finally:
            if serving.up:
                serving.stop()


def stored(home: Path, waits: int, *, running: bool) -> tuple[list[str], list[str], dict[str, Path]]:
    """Write trainings into the store; return those to wait for, those to cancel, and the logs of the former."""
    trainings, logs = [], dict[str, Path]()
    key = derive_key(bytes.fromhex(json.loads((home / "credentials.json").read_text())["token_key"]))
    with contextlib.closing(SqlStore(f"sqlite:///{DataDir(home).database}", key=key)) as store:

        def create(record: TrainingRecord) -> str:
            store.create_training(record, definition(), key=None, request_digest="d")
            return record.id

        for record in records(waits, "w"):
            if running:
                changes = {"running_at": record.submitted_at, "started_at": record.submitted_at}
                job = JobDirectory(home / "jobs" / record.id)
                job.path.mkdir(parents=True)
                job.log.touch()
                logs[record.id] = job.log
                record = replace(record, state=TrainingState.RUNNING, **changes)
            trainings.append(create(record))
        return trainings, [create(record) for record in records(CANCELS, "cancel")], logs


@contextlib.contextmanager
def growing(logs: dict[str, Path]) -> Iterator[None]:
    """Append a line to each log every `WRITE_EVERY` seconds, evenly spread; each line has the time of its write."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            begun = time.monotonic()
            for number, path in enumerate(logs.values()):
                due = begun + WRITE_EVERY * number / len(logs)
                if stop.wait(max(0.0, due - time.monotonic())):
                    return
                with path.open("a") as file:
                    file.write(f"{time.time()!r} is when this line of some length was written\n")
            stop.wait(max(0.0, begun + WRITE_EVERY - time.monotonic()))

    thread = threading.Thread(target=write)
    if logs:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if logs:
            thread.join()


async def measure_delays(client: Client, training_id: str, delays: list[float]) -> None:
    """Follow a log; append the seconds from the write of each line until its arrival."""
    async with aclosing(follow_log(client, training_id)) as frames:
        async for frame in frames:
            now = time.time()
            delays.extend(now - float(line.split()[0]) for line in (frame.status.message or "").splitlines())


@contextlib.asynccontextmanager
async def waiting(setup: Setup, make: Callable[[], Client]) -> AsyncIterator[None]:
    """Wait for each training during the block, as the triggers do."""
    started: set[str] = set()
    begun = time.monotonic()
    async with shared_watcher("benchmark", make) as watch:
        waits = [
            asyncio.create_task(
                wait_for_training(
                    watch.client,
                    watch,
                    one,
                    deadline=None,
                    logger=recording_logger(lambda _, one=one: started.add(one)),
                )
            )
            for one in setup.trainings
        ]
        try:
            steady, before = 0, -1
            while time.monotonic() < begun + SETTLE and steady < 3:
                await asyncio.sleep(1)
                now = await asyncio.to_thread(setup.open_log_streams)
                steady = steady + 1 if len(started) == len(waits) and now == before else 0
                before = now
            print(f"  {len(started)} waits and {before} log streams after {time.monotonic() - begun:.0f} s")
            yield
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def rss(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 2**20


async def cancels(client: Client, trainings: list[str]) -> list[float]:
    """Cancel *trainings* one after another, four per second; return the seconds of each cancel."""
    durations = []
    for training_id in trainings:
        begun = time.monotonic()
        await asyncio.to_thread(client.send, calls.cancel_training(training_id))
        durations.append(time.monotonic() - begun)
        await asyncio.sleep(max(0.0, 0.25 - durations[-1]))
    return durations


async def measure(setup: Setup, seconds: float) -> None:
    """Measure, and print the results."""
    login, pid = setup.service.connections()["dlaas_default"], setup.service.pid

    def make() -> Client:
        return Client(login["host"], login["login"], login["password"])

    async def cpu_per_minute() -> tuple[float, float]:
        """Return the CPU seconds per minute of the service and of this process."""
        begun, used, own = time.monotonic(), cpu(pid), cpu(os.getpid())
        await asyncio.sleep(seconds)
        minutes = (time.monotonic() - begun) / 60
        return (cpu(pid) - used) / minutes, (cpu(os.getpid()) - own) / minutes

    with make() as client:
        without_waits = await cancels(client, setup.to_cancel[: CANCELS // 2])
        before = rss(pid)
        idle, _ = await cpu_per_minute()
        delays = list[float]()
        async with waiting(setup, make):
            with growing(setup.logs):
                timed = list(setup.logs)[:: max(1, len(setup.logs) // TIMED_LOGS)]
                followers = [asyncio.create_task(measure_delays(client, one, delays)) for one in timed]
                await asyncio.sleep(1)
                used, own = await cpu_per_minute()
                meanwhile = await cancels(client, setup.to_cancel[CANCELS // 2 :])
                during = rss(pid)
                for task in followers:
                    task.cancel()
        await asyncio.sleep(10)  # until all connections are closed
        after = rss(pid)
        print(f"  CPU of the service: {used:.1f} s/min, {idle:.1f} without waits; of the waiting process: {own:.1f}")
        print(f"  memory of the service: {before:.0f} MiB before, {during:.0f} during, {after:.0f} after")
        print(f"  a cancel during the waits: {summary(meanwhile)}; without waits: {summary(without_waits)}")
        if delays:
            print(f"  a line from the file to the client: {summary(delays)}; {len(delays)} lines")


def summary(seconds: list[float]) -> str:
    return f"median {1000 * statistics.median(seconds):.0f} ms, at most {1000 * max(seconds):.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["queued", "running"], metavar="queued|running")
    parser.add_argument("--waits", type=int, default=1000, help="the number of trainings")
    parser.add_argument("--seconds", type=float, default=20, help="the duration of a measurement of CPU time")
    parser.add_argument("--api-only", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.api_only:
        serve_api_only(DataDir(arguments.api_only))
        return
    for what in arguments.what:
        print(f"{arguments.waits} waits for {what} trainings:")
        with (
            tempfile.TemporaryDirectory() as folder,
            prepared(Path(folder), arguments.waits, running=what == "running") as setup,
        ):
            asyncio.run(measure(setup, arguments.seconds))


if __name__ == "__main__":
    main()
