"""
Bringing data into a Swift: ours beside python-swiftclient's command, rclone and curl, against one Swift in one run.

    python benchmarks/transfer.py [--rounds 5] [--files 10000] [--megabytes 1024] [--only small,large,mnist,…]

Every client is a process of its own, so its start counts; "ours, in a task" is our library in a process that runs
already, which is how an Airflow task has it. Rounds are interleaved: each goes through all clients once,
and medians are compared. Ratios are to curl in parallel, which verifies nothing: the floor. Needs curl; rclone and
swift (from python-swiftclient) where they are to be compared. The data and the Swift lie in memory if /dev/shm has
room, so that no disk is measured.
"""

from __future__ import annotations

import argparse
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

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import free_port
from tests.troublemaker import ResetRequest, Troublemaker

BIN = Path(sys.executable).parent
USER, KEY = "bench:bench", "made-up-key"
MNIST = {"train-images": 47_040_016, "train-labels": 60_008, "t10k-images": 7_840_016, "t10k-labels": 10_008}
"""Bytes of the four files of MNIST, unpacked."""


@dataclass
class Figures:
    """What was measured of one client, a number for each round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)


class Stand:
    """The Swift that all clients are measured against, and how each gets in."""

    def __init__(self, folder: Path, swift: EmbeddedSwift) -> None:
        self.folder = folder
        self.auth_url = swift.login.auth_url
        self.store = SwiftStore.open(
            StoreConnection(auth_url=self.auth_url, user_id=USER, password=SecretStr(KEY)), read_timeout=300
        )
        head = psutil.Process(swift._process.pid if swift._process else 0)
        self._servers = [head, *head.children(recursive=True)]
        grant = self.store._session._authenticator.get_token()
        self.curl = f"-H {shlex.quote('X-Auth-Token: ' + grant.value)} -H Expect:"
        self.url = grant.storage_url

    def environment(self, auth_url: str | None = None) -> dict[str, str]:
        """Variables that let each client in, with caches of their own."""
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

    def _ask(self, figures: Figures, command: str) -> None:
        pipe = subprocess.PIPE
        with subprocess.Popen(shlex.split(command), env=self.environment(), stdin=pipe, stdout=pipe) as worker:
            time.sleep(1)  # for its imports
            server = self.server_cpu()
            said, _ = worker.communicate(b"go\n")
            wall, cpu = map(float, said.split())
            figures.wall.append(wall)
            figures.cpu.append(cpu)
            figures.server.append(self.server_cpu() - server)

    def server_cpu(self) -> float:
        """Seconds the Swift has computed so far."""
        times = [one.cpu_times() for one in self._servers]
        return sum(one.user + one.system for one in times)

    def measure(self, figures: Figures, command: str) -> None:
        """Run *command* to its end and note what it took."""
        if command.startswith(TOLD):
            self._ask(figures, command.removeprefix(TOLD))
            return
        before, server, begun = resource.getrusage(resource.RUSAGE_CHILDREN), self.server_cpu(), time.monotonic()
        done = subprocess.run(command, shell=True, env=self.environment(), capture_output=True, text=True, check=False)
        wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        figures.wall.append(wall)
        figures.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        figures.server.append(self.server_cpu() - server)


TASK = """
import resource, sys, time
from pydantic import SecretStr
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import upload
auth_url, user, key, source, container = sys.argv[1:]
sys.stdin.readline()
begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
with SwiftStore.open(StoreConnection(auth_url=auth_url, user_id=user, password=SecretStr(key))) as store:
    store.create_container(container)
    upload(store, source, container, checksum_cache=ChecksumCache(default_path()))
wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_SELF)
print(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""

TOLD = "told:"
"""Begins a command that measures itself."""


def task(stand: Stand, source: Path, container: str) -> str:
    words = [sys.executable, "-c", TASK, stand.auth_url, USER, KEY, str(source), container]
    return TOLD + shlex.join(words)


def ours(source: Path, container: str) -> str:
    return f"{BIN / 'airflow-dlaas'} upload {source} {container}"


def swift(source: Path, container: str, options: str = "") -> str:
    return f"{BIN / 'swift'} -q upload {options} --object-name d {container} {source}"


def rclone(source: Path, container: str, options: str = "") -> str:
    return f"rclone copy {options} {source} s:{container}"


def curl_all(stand: Stand, source: Path, container: str, at_once: int) -> str:
    """Send every file of a folder with one curl, *at_once* at a time."""
    config = stand.folder / "curl.config"
    entries = [
        f'upload-file="{path}"\nurl="{stand.url}/{container}/{path.name}"\noutput="/dev/null"\n'
        for path in sorted(source.iterdir())
    ]
    config.write_text("next\n".join(entries))
    return f"curl -sSf -Z --parallel-max {at_once} {_everywhere(stand, config)}"


def _everywhere(stand: Stand, config: Path) -> str:
    # An option of the command line is forgotten at each "next": so it stands in every part.
    headers = "\n".join(f'header="{one}"' for one in (shlex.split(stand.curl)[1], "Expect:"))
    config.write_text(config.read_text().replace("upload-file", f"{headers}\nupload-file"))
    return f"-K {config}"


def curl_parts(stand: Stand, file: Path, container: str, parts: int) -> str:
    """Send a file as so many objects side by side."""
    size = file.stat().st_size // parts // 1024**2
    sends = [
        f"(dd if={file} bs=1M skip={part * size} count={size} status=none |"
        f" curl -sSf -T - -o /dev/null {stand.curl} -H 'Content-Length: {size * 1024**2}' -H 'Transfer-Encoding:'"
        f" {stand.url}/{container}/part-{part})"
        for part in range(parts)
    ]
    return " & ".join(sends) + " & wait"


def small(stand: Stand, folder: Path, rounds: int) -> None:
    clients: dict[str, Callable[[str], str]] = {
        "curl -Z 8": lambda c: curl_all(stand, folder, c, 8),
        "ours": lambda c: ours(folder, c),
        "ours, in a task": lambda c: task(stand, folder, c),
        "swift upload": lambda c: swift(folder, c),
        "swift upload, tuned": lambda c: swift(folder, c, "--leave-segments --object-threads 8"),
        "rclone": lambda c: rclone(folder, c),
        "rclone, tuned": lambda c: rclone(folder, c, "--transfers 8 --checkers 16 --no-check-dest"),
    }
    count = len(list(folder.iterdir()))
    table(f"{count:,} files of 10 KiB", race(stand, clients, rounds), "curl -Z 8", per=count)


def large(stand: Stand, file: Path, rounds: int) -> None:
    clients: dict[str, Callable[[str], str]] = {
        "curl": lambda c: f"curl -sSf -T {file} -o /dev/null {stand.curl} {stand.url}/{c}/whole",
        "curl, 4 parts": lambda c: curl_parts(stand, file, c, 4),
        "ours": lambda c: ours(file, c),
        "ours, in a task": lambda c: task(stand, file, c),
        "swift upload": lambda c: swift(file, c),
        "swift upload, tuned": lambda c: swift(file, c, "--use-slo --segment-size 64M --segment-threads 4"),
        "rclone": lambda c: rclone(file, c),
        "rclone, tuned": lambda c: rclone(file, c, "--swift-chunk-size 64Mi --transfers 4"),
    }
    table(
        f"1 file of {file.stat().st_size / 1024**2:.0f} MiB",
        race(stand, clients, rounds, make_room=True),
        "curl, 4 parts",
    )


def mnist(stand: Stand, folder: Path, rounds: int) -> None:
    clients: dict[str, Callable[[str], str]] = {
        "curl -Z 4": lambda c: curl_all(stand, folder, c, 4),
        "ours": lambda c: ours(folder, c),
        "ours, in a task": lambda c: task(stand, folder, c),
        "swift upload": lambda c: swift(folder, c),
        "swift upload, tuned": lambda c: swift(folder, c, "--leave-segments"),
        "rclone": lambda c: rclone(folder, c),
        "rclone, tuned": lambda c: rclone(folder, c, "--transfers 8 --no-check-dest"),
    }
    table("MNIST, 4 files", race(stand, clients, rounds), "curl -Z 4")


def again(stand: Stand, folder: Path, rounds: int) -> None:
    """The same once more, with nothing changed; each client finds what it has sent itself."""
    first = {
        "ours": ours(folder, "again-ours"),
        "swift upload": swift(folder, "again-swift"),
        "rclone": rclone(folder, "again-rclone"),
    }
    for command in first.values():
        stand.measure(Figures(), command)
    clients: dict[str, Callable[[str], str]] = {
        "ours": lambda _: ours(folder, "again-ours"),
        "ours, in a task": lambda _: task(stand, folder, "again-ours"),
        "swift --skip-identical": lambda _: swift(folder, "again-swift", "--skip-identical"),
        "swift --changed": lambda _: swift(folder, "again-swift", "--changed"),
        "rclone": lambda _: rclone(folder, "again-rclone", "--fast-list --transfers 8 --checkers 16"),
    }
    table(f"{len(list(folder.iterdir())):,} files, nothing changed", race(stand, clients, rounds), "ours")


def requests(stand: Stand, folder: Path) -> None:
    """Count the requests of each client, by a proxy in between."""
    print(f"\n## Requests, {len(list(folder.iterdir()))} files: sent, and again with nothing changed")
    commands = {
        "ours": ours(folder, "counted-ours"),
        "swift upload --skip-identical": swift(folder, "counted-swift", "--skip-identical"),
        "rclone": rclone(folder, "counted-rclone", "--fast-list"),
    }
    for name, command in commands.items():
        said = []
        for _ in range(2):
            with Troublemaker(stand.auth_url) as trouble:
                environment = stand.environment(trouble.auth_url)
                subprocess.run(command, shell=True, env=environment, capture_output=True, check=True)
                methods: dict[str, int] = defaultdict(int)
                for seen in trouble.requests:
                    methods[seen.method] += 1
                said.append(f"{sum(methods.values())} ({', '.join(f'{n} {m}' for m, n in sorted(methods.items()))})")
        print(f"{name:32} {said[0]}; {said[1]}")


def broken(stand: Stand, file: Path) -> None:
    """Break an upload off at nine tenths, and count what the next one sends."""
    size = file.stat().st_size
    segments = size // (64 * 1024**2)
    with Troublemaker(stand.auth_url) as trouble:
        environment = stand.environment(trouble.auth_url)
        trouble.on(ResetRequest(1024**2), method="PUT", path="_segments/", times=None, skip=segments * 9 // 10)
        command = ours(file, "broken")
        subprocess.run(command, shell=True, env=environment, capture_output=True, check=False)
        arrived = sum(one.size for one in stand.store.list_objects("broken_segments"))
        trouble.calm()
        trouble.clear()
        subprocess.run(command, shell=True, env=environment, capture_output=True, check=True)
        sent = trouble.sent(method="PUT", path="_segments/")
    print(f"\n## Broken off with {arrived / size:.0%} there: the next attempt sent {sent / size:.0%} ({sent:,} bytes)")


def race(
    stand: Stand, clients: Mapping[str, Callable[[str], str]], rounds: int, *, make_room: bool = False
) -> dict[str, Figures]:
    figures = {name: Figures() for name in clients}
    for turn in range(rounds):
        for name, command in clients.items():
            container = f"bench-{uuid.uuid4().hex}"
            stand.store.create_container(container)
            stand.measure(figures[name], command(container))
            if sys.stderr.isatty():
                print(f"\r{turn + 1}/{rounds} {name:30}\r", end="", file=sys.stderr, flush=True)
            if make_room:
                empty(stand, container)
    return figures


def empty(stand: Stand, container: str) -> None:
    """Make room: everything lies in memory."""
    for name in stand.store.list_containers():
        if name.startswith(container) and name.startswith("bench-"):
            stand.store.delete(name, [one.name for one in stand.store.list_objects(name)])


def table(title: str, figures: Mapping[str, Figures], floor: str, per: int = 0) -> None:
    print(f"\n## {title}: medians of {len(next(iter(figures.values())).wall)} interleaved rounds")
    base, mine = statistics.median(figures[floor].wall), statistics.median(figures["ours"].cpu)
    print(f"{'':24}{'s':>8}{'x ' + floor:>16}{'client CPU s':>14}{'x ours':>8}{'Swift CPU s':>13}{'busy':>7}")
    for name, one in figures.items():
        wall, cpu, server = (statistics.median(values) for values in (one.wall, one.cpu, one.server))
        busy = (cpu + server) / wall / (os.cpu_count() or 1)
        each = f"  {1000 * cpu / per:.2f} ms a file" if per else ""
        print(f"{name:24}{wall:8.2f}{wall / base:16.2f}{cpu:14.2f}{cpu / mine:8.2f}{server:13.2f}{busy:7.0%}{each}")


def lay_out(folder: Path, files: int, megabytes: int) -> tuple[Path, Path, Path, Path]:
    chance = random.Random(1)  # the same each time, and incompressible
    many, few, four, one = (folder / name for name in ("many", "few", "mnist", "large"))
    for where, count in ((many, files), (few, 500)):
        where.mkdir()
        for number in range(count):
            (where / f"{number:05}").write_bytes(chance.randbytes(10 * 1024))
    four.mkdir()
    for name, size in MNIST.items():
        (four / name).write_bytes(chance.randbytes(size))
    with one.open("wb") as file:
        for _ in range(megabytes):
            file.write(chance.randbytes(1024**2))
    return many, few, four, one


@contextmanager
def stand_in(folder: Path) -> Iterator[Stand]:
    with EmbeddedSwift(folder / "swift", port=free_port(), user=USER, key=KEY) as running:
        yield Stand(folder, running)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--only", default="small,large,mnist,again,requests,broken")
    asked = parser.parse_args()
    missing = [name for name in ("curl", "rclone") if not shutil.which(name)]
    if missing:
        raise SystemExit(f"Not installed: {', '.join(missing)}")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        many, few, four, one = lay_out(folder, asked.files, asked.megabytes)
        with stand_in(folder) as stand:
            parts: dict[str, Callable[[], None]] = {
                "small": lambda: small(stand, many, asked.rounds),
                "large": lambda: large(stand, one, asked.rounds),
                "mnist": lambda: mnist(stand, four, asked.rounds),
                "again": lambda: again(stand, many, asked.rounds),
                "requests": lambda: requests(stand, few),
                "broken": lambda: broken(stand, one),
            }
            for part in asked.only.split(","):
                parts[part]()


if __name__ == "__main__":
    main()
