"""
Cost of training data with the cache: the second training on unchanged data, the first one, and ten at once.

Run by hand: ``python benchmarks/data_cache.py [--objects 100 10000] [--kib 4] [--rounds 3] [--at-once 10]``; for the
largest number add ``100000``. Against one embedded Swift in the same run:

- second training: seconds from the end of the listing to the last link, and the requests for content; the exponent is
  that of the number of objects (1: proportional);
- first training: its seconds, divided by those of a download without the cache, in turns;
- ten at once: the bytes that all fetch, divided by the bytes of the data.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.service.data_cache.cache import LinkMode
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import download, upload
from airflow_dlaas.storage.transfer.plan import PlannedDownload
from tests.cached_training import CachedTraining
from tests.conftest import free_port

KEY = "made-up-key-of-the-benchmark"

FILES_PER_FOLDER = 1000


class Bench:
    """The Swift, and the folders of the trainings."""

    def __init__(self, connection: SwiftStoreConnection, folder: Path) -> None:
        self.connection = connection
        self.folder = folder
        self._jobs = 0

    def job(self) -> Path:
        """Return a new folder for a training."""
        self._jobs += 1
        return self.folder / f"job-{self._jobs}"

    def store_objects(self, container: str, number: int, size: int) -> None:
        """Store *number* objects of *size* bytes."""
        source = self.folder / "source"
        for index in range(number):
            path = source / f"{index // FILES_PER_FOLDER:03}" / f"{index:06}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(size))
        with SwiftStore.open(self.connection) as store:
            store.create_container(container)
            upload(store, source, container)
        shutil.rmtree(source)

    def training(self, container: str, cache: str) -> CachedTraining:
        """Return a training with the cache named *cache*."""
        return CachedTraining(self.connection, container, self.folder / cache)

    def seconds(
        self, training: CachedTraining, listing: Sequence[PlannedDownload], mode: LinkMode = LinkMode.SYMLINK
    ) -> tuple[float, int]:
        """Load once; return the seconds after the listing, and the files that were fetched."""
        folder, started_at = self.job(), time.perf_counter()
        report = training.load(folder, listing, mode)
        took = time.perf_counter() - started_at
        shutil.rmtree(folder)
        return took, report.fetched_files + report.direct_files

    def plain_seconds(self, container: str) -> float:
        """Download once without a cache; return the seconds, with those of the listing."""
        folder, started_at = self.job(), time.perf_counter()
        with SwiftStore.open(self.connection) as store:
            download(store, container, folder)
        took = time.perf_counter() - started_at
        shutil.rmtree(folder)
        return took

    def first_seconds(self, container: str, cache: str) -> float:
        """Load once with a new cache; return the seconds, with those of the listing."""
        training, folder, started_at = self.training(container, cache), self.job(), time.perf_counter()
        training.load(folder)
        took = time.perf_counter() - started_at
        shutil.rmtree(folder)
        shutil.rmtree(training.cache)
        return took

    def fetched_at_once(self, container: str, number: int) -> float:
        """Start *number* processes together; return the bytes that they fetched, divided by those of the data."""
        total = sum(one.size for one in self.training(container, "once").list())
        command = [
            *(sys.executable, "-m", "tests.cached_training", self.connection.auth_url, self.connection.user_id),
            *(container, str(self.folder / "once")),
        ]
        environment = {**os.environ, "DLAAS_TEST_KEY": KEY}
        processes = [
            subprocess.Popen(
                [*command, str(self.job()), str(DEFAULT_SEGMENT_SIZE)],
                env=environment,
                stdout=subprocess.PIPE,
                cwd=Path(__file__).parents[1],
            )
            for _ in range(number)
        ]
        reports = [json.loads(process.communicate()[0]) for process in processes]
        shutil.rmtree(self.folder / "once")
        return sum(one["fetched_bytes"] + one["direct_bytes"] for one in reports) / total


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--kib", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=10)
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="data-cache-")))
        swift = stack.enter_context(EmbeddedSwift(folder / "swift", port=free_port(), user="bench:bench", key=KEY))
        login = swift.login
        connection = SwiftStoreConnection(auth_url=login.auth_url, user_id=login.user, password=SecretStr(login.key))
        bench = Bench(connection, folder)
        measured = [measure(bench, number, chosen) for number in chosen.objects]
    for before, after, (small, large) in zip(
        measured, measured[1:], zip(chosen.objects, chosen.objects[1:], strict=False), strict=False
    ):
        exponent = math.log(after / before) / math.log(large / small)
        print(f"second training, {small} to {large} objects: exponent {exponent:.2f}")


def measure(bench: Bench, number: int, chosen: argparse.Namespace) -> float:
    """Measure with *number* objects; return the seconds of the second training."""
    container = f"objects-{number}"
    bench.store_objects(container, number, chosen.kib * 1024)
    ratios = []
    for index in range(chosen.rounds):
        plain = bench.plain_seconds(container)
        ratios.append(bench.first_seconds(container, f"first-{index}") / plain)
    training = bench.training(container, "second")
    listing = training.list()
    bench.seconds(training, listing)
    for mode in (LinkMode.SYMLINK, LinkMode.HARDLINK, LinkMode.COPY):
        runs = [bench.seconds(training, listing, mode) for _ in range(chosen.rounds)]
        seconds = statistics.median(took for took, _ in runs)
        print(f"{number} objects, second training, {mode.value}: {seconds:.3f} s, {max(n for _, n in runs)} fetched")
    print(f"{number} objects, first training / download without the cache: {statistics.median(ratios):.2f}")
    at_once = bench.fetched_at_once(container, chosen.at_once)
    print(f"{number} objects, {chosen.at_once} at once, bytes fetched / bytes: {at_once:.4f}", flush=True)
    return statistics.median(bench.seconds(training, listing)[0] for _ in range(chosen.rounds))


if __name__ == "__main__":
    main()
