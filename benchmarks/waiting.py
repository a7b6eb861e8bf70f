"""
What waiting costs the service: CPU seconds a minute, memory, and how long a cancel takes meanwhile.

Run by hand: ``python benchmarks/waiting.py [--waits 1000] [--seconds 20] [queued] [running]``, two minutes in all.
The waits are those of the triggers (one shared watch, `attend` for each training), in this process.

*queued*: at a real service (``airflow-dlaas serve``) with one GPU slot, on trainings that wait behind one that runs.
*running*: at the API of a service without a dispatcher, on trainings whose logs grow by a line every ten seconds.
Trainings are written into the store before the service starts; submitting them would take longer than the rest.
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
from airflow_dlaas.service.store.base import TrainingRecord
from airflow_dlaas.service.store.secret_encryption import derive_key
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.task_runs.wait_for_training import wait_for_training
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer

WRITE_EVERY = 10.0
"""Seconds between two lines of a running training's log."""

SETTLE = 60.0
"""Seconds that opening all waits may take."""

CANCELS = 40
"""Trainings that are canceled while the others are waited for."""

LISTENERS = 5
"""Logs whose lines are timed from the write to the client."""


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
    shown = definition().model_dump(mode="json", exclude_unset=True)
    for number in range(count):
        yield TrainingRecord(
            id=f"training-{prefix}{number:05}",
            owner="dlaas",
            definition=shown,
            code="0" * 64,
            slots=1,
            runtime="tensorflow test",
            provides="the interpreter that runs the tests",
            state=TrainingState.PENDING,
            submitted_at=now,
            modified_at=now,
        )


@dataclass
class Scene:
    """A service with trainings in it, and the files that grow while they are waited for."""

    service: ServiceProcess | StandIn
    trainings: list[str]
    doomed: list[str]
    logs: dict[str, Path] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.service.connections()["dlaas_default"]["host"])

    def monitors(self) -> int:
        found = re.search(
            r"^dlaas_monitors_open ([0-9.]+)", requests.get(f"{self.url}/metrics", timeout=30).text, re.MULTILINE
        )
        return int(float(found[1])) if found else 0


class StandIn:
    """The API of a home folder in a process of its own, without a dispatcher; no training is ever lost there."""

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
            [sys.executable, __file__, "--stand-in", str(self.home)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
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


def stand_in(home: DataDir) -> None:
    """Serve the API of *home* until SIGTERM: the service without what starts and ends trainings."""
    from airflow_dlaas.service.dispatcher.loop import Dispatcher

    for name in ("start", "stop", "wake"):
        setattr(Dispatcher, name, lambda self: None)  # noqa: ARG005
    Dispatcher.is_running = True  # type: ignore[assignment,method-assign]
    os.environ |= environment(home.path)
    from airflow_dlaas.service.config.settings import read_settings
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
def prepared(folder: Path, waits: int, *, running: bool) -> Iterator[Scene]:
    """Start a service that has trainings in it."""
    home = folder / "home"
    with contextlib.closing(ServiceProcess(home, DLAAS_GPUS="virtual:1")) as service:
        service.start()
        if not running:
            with service.client() as client:
                customer = Customer(service, client)
                customer.wait(customer.submit("sleep 3600"), lambda one: one.state is TrainingState.RUNNING)
        service.stop()  # the training runs on
        trainings, doomed, logs = stored(home, waits, running=running)
        serving = StandIn(home) if running else service
        serving.start()
        try:
            yield Scene(serving, trainings, doomed, logs)
        finally:
            if serving.up:
                serving.stop()


def stored(home: Path, waits: int, *, running: bool) -> tuple[list[str], list[str], dict[str, Path]]:
    """Write trainings into the store: those to wait for, those to cancel, and the logs of the former."""
    trainings, logs = [], dict[str, Path]()
    key = derive_key(bytes.fromhex(json.loads((home / "credentials.json").read_text())["token_key"]))
    with contextlib.closing(SqlStore(f"sqlite:///{DataDir(home).database}", key=key)) as store:

        def keep(record: TrainingRecord) -> str:
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
            trainings.append(keep(record))
        return trainings, [keep(record) for record in records(CANCELS, "doomed")], logs


@contextlib.contextmanager
def growing(logs: dict[str, Path]) -> Iterator[None]:
    """Let each log grow by a line every `WRITE_EVERY` seconds, evenly spread; each line says when it was written."""
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


async def time_lines(client: Client, training_id: str, took: list[float]) -> None:
    async with aclosing(follow_log(client, training_id)) as frames:
        async for frame in frames:
            now = time.time()
            took.extend(now - float(line.split()[0]) for line in (frame.status.message or "").splitlines())


@contextlib.asynccontextmanager
async def waiting(scene: Scene, make: Callable[[], Client]) -> AsyncIterator[None]:
    """Open a wait for each training, as the triggers do; closed again on leaving."""
    heard: set[str] = set()
    begun = time.monotonic()
    async with shared_watcher("benchmark", make) as watch:
        waits = [
            asyncio.create_task(
                wait_for_training(watch.client, watch, one, deadline=None, say=lambda _, one=one: heard.add(one))
            )
            for one in scene.trainings
        ]
        try:
            steady, before = 0, -1
            while time.monotonic() < begun + SETTLE and steady < 3:
                await asyncio.sleep(1)
                now = await asyncio.to_thread(scene.monitors)
                steady = steady + 1 if len(heard) == len(waits) and now == before else 0
                before = now
            print(f"  {len(heard)} waits and {before} monitors after {time.monotonic() - begun:.0f} s")
            yield
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def rss(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 2**20


async def cancels(client: Client, trainings: list[str]) -> list[float]:
    """Cancel *trainings* one after another, four a second; the seconds that each took."""
    took = []
    for one in trainings:
        begun = time.monotonic()
        await asyncio.to_thread(client.send, calls.cancel_training(one))
        took.append(time.monotonic() - begun)
        await asyncio.sleep(max(0.0, 0.25 - took[-1]))
    return took


async def measure(scene: Scene, seconds: float) -> None:
    login, pid = scene.service.connections()["dlaas_default"], scene.service.pid

    def make() -> Client:
        return Client(login["host"], login["login"], login["password"])

    async def cpu_a_minute() -> tuple[float, float]:
        """Of the service and of this process."""
        begun, used, own = time.monotonic(), cpu(pid), cpu(os.getpid())
        await asyncio.sleep(seconds)
        minutes = (time.monotonic() - begun) / 60
        return (cpu(pid) - used) / minutes, (cpu(os.getpid()) - own) / minutes

    with make() as client:
        alone = await cancels(client, scene.doomed[: CANCELS // 2])
        before = rss(pid)
        idle, _ = await cpu_a_minute()
        lines = list[float]()
        async with waiting(scene, make):
            with growing(scene.logs):
                timed = list(scene.logs)[:: max(1, len(scene.logs) // LISTENERS)]
                listeners = [asyncio.create_task(time_lines(client, one, lines)) for one in timed]
                await asyncio.sleep(1)
                used, own = await cpu_a_minute()
                meanwhile = await cancels(client, scene.doomed[CANCELS // 2 :])
                during = rss(pid)
                for task in listeners:
                    task.cancel()
        await asyncio.sleep(10)  # until all connections are closed
        after = rss(pid)
        print(
            f"  CPU of the service: {used:.1f} s a minute, {idle:.1f} without waits; of the waiting process: {own:.1f}"
        )
        print(f"  memory of the service: {before:.0f} MiB before, {during:.0f} during, {after:.0f} after")
        print(f"  a cancel meanwhile: {spell(meanwhile)}; without waits: {spell(alone)}")
        if lines:
            print(f"  a line from the file to the client: {spell(lines)}; {len(lines)} lines")


def spell(took: list[float]) -> str:
    return f"{1000 * statistics.median(took):.0f} ms, at most {1000 * max(took):.0f} ms"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", nargs="*", default=["queued", "running"], metavar="queued|running")
    arguments.add_argument("--waits", type=int, default=1000)
    arguments.add_argument("--seconds", type=float, default=20, help="how long is measured")
    arguments.add_argument("--stand-in", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.stand_in:
        stand_in(DataDir(given.stand_in))
        return
    for what in given.what:
        print(f"{given.waits} waits on {what} trainings:")
        with (
            tempfile.TemporaryDirectory() as folder,
            prepared(Path(folder), given.waits, running=what == "running") as scene,
        ):
            asyncio.run(measure(scene, given.seconds))


if __name__ == "__main__":
    main()
