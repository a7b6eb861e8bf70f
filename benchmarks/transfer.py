"""
Uploads to a Swift: airflow-dlaas, python-swiftclient's command, rclone and curl, against one Swift in one run.

    python benchmarks/transfer.py [--rounds 5] [--files 10000] [--megabytes 1024] [--only small,large,mnist,…]

Every client is a process of its own, so its start counts; "dlaas, in a task" is the library in a process that runs
already, as in an Airflow task. The package is compiled first, as by an installation. Rounds are interleaved:
each runs all clients once, and medians are compared. Ratios are to curl in parallel, which verifies nothing: the lower
bound. Needs curl, rclone and swift (from python-swiftclient).
The data and the Swift are in memory if /dev/shm exists, so that no disk is measured.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import random
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import free_port
from tests.fault_proxy import FaultProxy, ResetRequest

BIN = Path(sys.executable).parent
USER, KEY = "bench:bench", "made-up-key"
MNIST = {"train-images": 47_040_016, "train-labels": 60_008, "t10k-images": 7_840_016, "t10k-labels": 10_008}
"""Bytes of the four files of MNIST, unpacked."""


@dataclass
class Figures:
    """The measurements of one client, a number for each round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)


class Target:
    """The Swift that all clients use, and the credentials of each client."""

    def __init__(self, folder: Path, swift: EmbeddedSwift) -> None:
        self.folder = folder
        self.auth_url = swift.login.auth_url
        self.store = SwiftStore.open(
            SwiftStoreConnection(auth_url=self.auth_url, user_id=USER, password=SecretStr(KEY)), read_timeout=300
        )
        head = psutil.Process(swift._process.pid if swift._process else 0)
        self._servers = [head, *head.children(recursive=True)]
        token = self.store.session._authenticator.get_token()
        self.curl = f"-H {shlex.quote('X-Auth-Token: ' + token.value)} -H Expect:"
        self.url = token.storage_url

    def environment(self, auth_url: str | None = None) -> dict[str, str]:
        """Return the environment with the credentials for each client, and caches of their own."""
        where = auth_url or self.auth_url
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        known = {"conn_type": "swift", "host": where, "login": USER, "password": KEY}
        (home / "connections.json").write_text(json.dumps({"swift_default": known}))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DLAAS_", "ST_", "OS_"))}
        return inherited | {
            "DLAAS_HOME": str(home),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "ST_AUTH": where,
            "ST_USER": USER,
            "ST_KEY": KEY,
            "RCLONE_CONFIG_S_TYPE": "swift",
            "RCLONE_CONFIG_S_AUTH": where,
            "RCLONE_CONFIG_S_USER": USER,
            "RCLONE_CONFIG_S_KEY": KEY,
        }

    def _measure_self_timed(self, figures: Figures, command: str) -> None:
        pipe = subprocess.PIPE
        with subprocess.Popen(shlex.split(command), env=self.environment(), stdin=pipe, stdout=pipe) as worker:
            time.sleep(1)  # for its imports
            server = self.server_cpu()
            output, _ = worker.communicate(b"go\n")
            wall, cpu = map(float, output.split())
            figures.wall.append(wall)
            figures.cpu.append(cpu)
            figures.server.append(self.server_cpu() - server)

    def server_cpu(self) -> float:
        """Return the seconds of processor time that the Swift has used."""
        times = [one.cpu_times() for one in self._servers]
        return sum(one.user + one.system for one in times)

    def measure(self, figures: Figures, command: str) -> None:
        """Run *command* to its end, and record its times."""
        if command.startswith(SELF_TIMED):
            self._measure_self_timed(figures, command.removeprefix(SELF_TIMED))
            return
        before, server, started = resource.getrusage(resource.RUSAGE_CHILDREN), self.server_cpu(), time.monotonic()
        done = subprocess.run(command, shell=True, env=self.environment(), capture_output=True, text=True, check=False)
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        figures.wall.append(wall)
        figures.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        figures.server.append(self.server_cpu() - server)


TASK = """
import resource, sys, time
from pydantic import SecretStr
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import UploadOptions, upload
auth_url, user, key, source, container = sys.argv[1:]
sys.stdin.readline()
started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
with SwiftStore.open(SwiftStoreConnection(auth_url=auth_url, user_id=user, password=SecretStr(key))) as store:
    store.create_container(container)
    upload(store, source, container, UploadOptions(checksum_cache=ChecksumCache(default_path())))
wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
print(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""

SELF_TIMED = "self-timed:"
"""The prefix of a command that measures itself, after its imports."""


def task(target: Target, source: Path, container: str) -> str:
    words = [sys.executable, "-c", TASK, target.auth_url, USER, KEY, str(source), container]
    return SELF_TIMED + shlex.join(words)


def dlaas(source: Path, container: str) -> str:
    return f"{BIN / 'airflow-dlaas'} upload {source} {container}"


def swift(source: Path, container: str, options: str = "") -> str:
    return f"{BIN / 'swift'} -q upload {options} --object-name d {container} {source}"


def rclone(source: Path, container: str, options: str = "") -> str:
    return f"rclone copy {options} {source} s:{container}"


def curl_all(target: Target, source: Path, container: str, parallel: int) -> str:
    """Upload every file of a folder with one curl, *parallel* at a time."""
    config = target.folder / "curl.config"
    entries = [
        f'upload-file="{path}"\nurl="{target.url}/{container}/{path.name}"\noutput="/dev/null"\n'
        for path in sorted(source.iterdir())
    ]
    config.write_text("next\n".join(entries))
    return f"curl -sSf -Z --parallel-max {parallel} {_with_options(target, config)}"


def _with_options(target: Target, config: Path) -> str:
    # curl resets the options of the command line at each "next", so every part has them.
    headers = "\n".join(f'header="{one}"' for one in (shlex.split(target.curl)[1], "Expect:"))
    config.write_text(config.read_text().replace("upload-file", f"{headers}\nupload-file"))
    return f"-K {config}"


def curl_parts(target: Target, file: Path, container: str, parts: int) -> str:
    """Upload a file as *parts* objects at the same time."""
    size = file.stat().st_size // parts // 1024**2
    sends = [
        f"(dd if={file} bs=1M skip={part * size} count={size} status=none |"
        f" curl -sSf -T - -o /dev/null {target.curl} -H 'Content-Length: {size * 1024**2}' -H 'Transfer-Encoding:'"
        f" {target.url}/{container}/part-{part})"
        for part in range(parts)
    ]
    return " & ".join(sends) + " & wait"


def small(target: Target, folder: Path, rounds: int) -> None:
    clients: dict[str, Callable[[str], str]] = {
        "curl -Z 8": lambda c: curl_all(target, folder, c, 8),
        "dlaas": lambda c: dlaas(folder, c),
        "dlaas, in a task": lambda c: task(target, folder, c),
        "swift upload": lambda c: swift(folder, c),
        "swift upload, tuned": lambda c: swift(folder, c, "--leave-segments --object-threads 8"),
        "rclone": lambda c: rclone(folder, c),
        "rclone, tuned": lambda c: rclone(folder, c, "--transfers 8 --checkers 16 --no-check-dest"),
    }
    count = len(list(folder.iterdir()))
    table(f"{count:,} files of 10 KiB", race(target, clients, rounds), "curl -Z 8", per=count)


def large(target: Target, file: Path, rounds: int) -> None:
    clients: dict[str, Callable[[str], str]] = {
        "curl": lambda c: f"curl -sSf -T {file} -o /dev/null {target.curl} {target.url}/{c}/whole",
        "curl, 4 parts": lambda c: curl_parts(target, file, c, 4),
        "dlaas": lambda c: dlaas(file, c),
        "dlaas, in a task": lambda c: task(target, file, c),
        "swift upload": lambda c: swift(file, c),
        "swift upload, tuned": lambda c: swift(file, c, "--use-slo --segment-size 64M --segment-threads 4"),
        "rclone": lambda c: rclone(file, c),
        "rclone, tuned": lambda c: rclone(file, c, "--swift-chunk-size 64Mi --transfers 4"),
    }
    table(
        f"1 file of {file.stat().st_size / 1024**2:.0f} MiB",
        race(target, clients, rounds, delete_after=True),
        "curl, 4 parts",
    )


def mnist(target: Target, folder: Path, rounds: int) -> None:
    clients: dict[str, Callable[[str], str]] = {
        "curl -Z 4": lambda c: curl_all(target, folder, c, 4),
        "dlaas": lambda c: dlaas(folder, c),
        "dlaas, in a task": lambda c: task(target, folder, c),
        "swift upload": lambda c: swift(folder, c),
        "swift upload, tuned": lambda c: swift(folder, c, "--leave-segments"),
        "rclone": lambda c: rclone(folder, c),
        "rclone, tuned": lambda c: rclone(folder, c, "--transfers 8 --no-check-dest"),
    }
    table("MNIST, 4 files", race(target, clients, rounds), "curl -Z 4")


def again(target: Target, folder: Path, rounds: int) -> None:
    """Upload again with nothing changed; each client finds what it has uploaded before."""
    first = {
        "dlaas": dlaas(folder, "again-dlaas"),
        "swift upload": swift(folder, "again-swift"),
        "rclone": rclone(folder, "again-rclone"),
    }
    for command in first.values():
        target.measure(Figures(), command)
    clients: dict[str, Callable[[str], str]] = {
        "dlaas": lambda _: dlaas(folder, "again-dlaas"),
        "dlaas, in a task": lambda _: task(target, folder, "again-dlaas"),
        "swift --skip-identical": lambda _: swift(folder, "again-swift", "--skip-identical"),
        "swift --changed": lambda _: swift(folder, "again-swift", "--changed"),
        "rclone": lambda _: rclone(folder, "again-rclone", "--fast-list --transfers 8 --checkers 16"),
    }
    table(f"{len(list(folder.iterdir())):,} files, nothing changed", race(target, clients, rounds), "dlaas")


def requests(target: Target, folder: Path) -> None:
    """Count the requests of each client with a proxy."""
    print(f"\n## Requests, {len(list(folder.iterdir()))} files: sent, and again with nothing changed")
    commands = {
        "dlaas": dlaas(folder, "counted-dlaas"),
        "swift upload --skip-identical": swift(folder, "counted-swift", "--skip-identical"),
        "rclone": rclone(folder, "counted-rclone", "--fast-list"),
    }
    for name, command in commands.items():
        output = []
        for _ in range(2):
            with FaultProxy(target.auth_url) as proxy:
                environment = target.environment(proxy.auth_url)
                subprocess.run(command, shell=True, env=environment, capture_output=True, check=True)
                methods: dict[str, int] = defaultdict(int)
                for seen in proxy.requests:
                    methods[seen.method] += 1
                output.append(f"{sum(methods.values())} ({', '.join(f'{n} {m}' for m, n in sorted(methods.items()))})")
        print(f"{name:32} {output[0]}; {output[1]}")


def broken(target: Target, file: Path) -> None:
    """Interrupt an upload after nine tenths, and count what the next one sends."""
    size = file.stat().st_size
    segments = size // (64 * 1024**2)
    with FaultProxy(target.auth_url) as proxy:
        environment = target.environment(proxy.auth_url)
        proxy.on(ResetRequest(1024**2), method="PUT", path="_segments/", times=None, skip=segments * 9 // 10)
        command = dlaas(file, "broken")
        subprocess.run(command, shell=True, env=environment, capture_output=True, check=False)
        arrived = sum(one.size for one in target.store.list_objects("broken_segments"))
        proxy.calm()
        proxy.clear()
        subprocess.run(command, shell=True, env=environment, capture_output=True, check=True)
        sent = proxy.sent(method="PUT", path="_segments/")
    print(f"\n## Interrupted with {arrived / size:.0%} there: the next attempt sent {sent / size:.0%} ({sent:,} bytes)")


def race(
    target: Target, clients: Mapping[str, Callable[[str], str]], rounds: int, *, delete_after: bool = False
) -> dict[str, Figures]:
    figures = {name: Figures() for name in clients}
    for turn in range(rounds):
        for name, command in clients.items():
            container = f"bench-{uuid.uuid4().hex}"
            target.store.create_container(container)
            target.measure(figures[name], command(container))
            if sys.stderr.isatty():
                print(f"\r{turn + 1}/{rounds} {name:30}\r", end="", file=sys.stderr, flush=True)
            if delete_after:
                empty(target, container)
    return figures


def empty(target: Target, container: str) -> None:
    """Delete the objects of a container and its segments, because everything is in memory."""
    for name in target.store.list_containers():
        if name.startswith(container) and name.startswith("bench-"):
            target.store.delete(name, [one.name for one in target.store.list_objects(name)])


def table(title: str, figures: Mapping[str, Figures], baseline: str, per: int = 0) -> None:
    print(f"\n## {title}: medians of {len(next(iter(figures.values())).wall)} interleaved rounds")
    base, dlaas_cpu = statistics.median(figures[baseline].wall), statistics.median(figures["dlaas"].cpu)
    print(f"{'':24}{'s':>8}{'x ' + baseline:>16}{'client CPU s':>14}{'x dlaas':>8}{'Swift CPU s':>13}{'busy':>7}")
    for name, one in figures.items():
        wall, cpu, server = (statistics.median(values) for values in (one.wall, one.cpu, one.server))
        busy = (cpu + server) / wall / (os.cpu_count() or 1)
        each = f"  {1000 * cpu / per:.2f} ms a file" if per else ""
        ratios = f"{wall:8.2f}{wall / base:16.2f}{cpu:14.2f}{cpu / dlaas_cpu:8.2f}"
        print(f"{name:24}{ratios}{server:13.2f}{busy:7.0%}{each}")


def lay_out(folder: Path, files: int, megabytes: int) -> tuple[Path, Path, Path, Path]:
    generator = random.Random(1)  # the same data each time, and incompressible
    many, few, four, one = (folder / name for name in ("many", "few", "mnist", "large"))
    for where, count in ((many, files), (few, 500)):
        where.mkdir()
        for number in range(count):
            (where / f"{number:05}").write_bytes(generator.randbytes(10 * 1024))
    four.mkdir()
    for name, size in MNIST.items():
        (four / name).write_bytes(generator.randbytes(size))
    with one.open("wb") as file:
        for _ in range(megabytes):
            file.write(generator.randbytes(1024**2))
    return many, few, four, one


@contextmanager
def started_target(folder: Path) -> Iterator[Target]:
    with EmbeddedSwift(folder / "swift", port=free_port(), user=USER, key=KEY) as running:
        yield Target(folder, running)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--only", default="small,large,mnist,again,requests,broken")
    options = parser.parse_args()
    missing = [name for name in ("curl", "rclone") if not shutil.which(name)]
    if missing:
        raise SystemExit(f"Not installed: {', '.join(missing)}")
    compileall.compile_dir(Path(__file__).parents[1] / "airflow_dlaas", quiet=1)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        many, few, four, one = lay_out(folder, options.files, options.megabytes)
        with started_target(folder) as target:
            parts: dict[str, Callable[[], None]] = {
                "small": lambda: small(target, many, options.rounds),
                "large": lambda: large(target, one, options.rounds),
                "mnist": lambda: mnist(target, four, options.rounds),
                "again": lambda: again(target, many, options.rounds),
                "requests": lambda: requests(target, few),
                "broken": lambda: broken(target, one),
            }
            for part in options.only.split(","):
                parts[part]()


if __name__ == "__main__":
    main()
