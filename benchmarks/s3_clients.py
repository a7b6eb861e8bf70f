"""
Transfers to and from an S3 store: airflow-dlaas, obstore and boto3, against one embedded store in one run.

    python benchmarks/s3_clients.py [--rounds 5] [--files 1000] [--megabytes 256] [--server embedded|moto]
        [--peers-python PATH]

Each measurement is a process of its own, which measures itself after its imports; its memory is the most that it had.
All clients use 8 threads for small files; for the large file each has its own defaults. Rounds are interleaved: each
runs all clients once, and medians are compared. Ratios are airflow-dlaas to the other client: below 1, it needs less.
Only airflow-dlaas verifies what it downloads. A client that the Python of the peers does not have is left out. Data and
store are in memory if /dev/shm exists, so that no disk is measured.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.contract.stores import S3StoreConnection
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.storage.open_object_store import open_object_store
from tests.conftest import free_port

USER, KEY = "bench:bench", "made-up-key"
FIGURES = ("seconds", "client CPU s", "RSS MiB")

MEASURE = """
import os, resource, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
action, url, user, key, bucket, folder = sys.argv[1:]
folder = Path(folder)
def for_all(function, items):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(function, items))
def measure(up, down):
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    (up if action == "up" else down)()
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    # The kernel begins ru_maxrss with that of the parent, but VmHWM (in KiB) with the process itself.
    memory = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    print(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int(memory) / 1024)
"""

OURS = """
from airflow_dlaas.contract.stores import S3StoreConnection
from airflow_dlaas.storage.open_object_store import open_object_store
from airflow_dlaas.storage.transfer.api import DownloadOptions, UploadOptions, download, upload
connection = S3StoreConnection(endpoint_url=url, access_key_id=user, secret_access_key=key)
with open_object_store(connection) as store:
    measure(
        lambda: upload(store, folder, bucket, UploadOptions(threads=8)),
        lambda: download(store, bucket, folder, DownloadOptions(threads=8)),
    )
"""

BOTO3 = """
import boto3
from botocore.config import Config
client = boto3.client(
    "s3", endpoint_url=url, aws_access_key_id=user, aws_secret_access_key=key, region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}, max_pool_connections=10),
)
def up():
    for_all(lambda name: client.upload_file(str(folder / name), bucket, name), os.listdir(folder))
def down():
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    names = [one["Key"] for page in pages for one in page["Contents"]]
    for_all(lambda name: client.download_file(bucket, name, str(folder / name)), names)
measure(up, down)
"""

OBSTORE = """
import obstore
from obstore.store import S3Store
store = S3Store(
    bucket, endpoint=url, access_key_id=user, secret_access_key=key, region="us-east-1",
    virtual_hosted_style_request=False, client_options={"allow_http": True},
)
def get(name):
    with (folder / name).open("wb") as file:
        for chunk in obstore.get(store, name).stream():
            file.write(chunk)
def up():
    for_all(lambda name: obstore.put(store, name, folder / name), os.listdir(folder))
def down():
    for_all(get, [one["path"] for page in obstore.list(store) for one in page])
measure(up, down)
"""

CLIENTS = {"airflow-dlaas": OURS, "boto3": BOTO3, "obstore": OBSTORE}


@contextmanager
def running(server: str, folder: Path) -> Iterator[str]:
    """Run the store; yield its URL."""
    if server == "moto":
        command = [str(Path(sys.executable).with_name("moto_server")), "-p", str(port := free_port())]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                subprocess.run(
                    ["curl", "-s", "--retry", "50", "--retry-connrefused", f"http://127.0.0.1:{port}"],
                    check=True,
                    capture_output=True,
                )
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
        return
    with EmbeddedSwift(folder / "store", port=free_port(), user=USER, key=KEY) as store:
        yield store.login.auth_url.removesuffix("/auth/v1.0")


def make_bucket(url: str, bucket: str) -> None:
    """Create the container of a client; obstore has no request for it."""
    connection = S3StoreConnection(endpoint_url=url, access_key_id=USER, secret_access_key=SecretStr(KEY))
    with open_object_store(connection) as store:
        store.create_container(bucket)


def write_files(folder: Path, count: int, size: int) -> Path:
    folder.mkdir(parents=True)
    numbers = random.Random(0)
    for number in range(count):
        with (folder / f"{number:06}.bin").open("wb") as file:
            for start in range(0, size, 1024**2):
                file.write(numbers.randbytes(min(1024**2, size - start)))
    return folder


def run_client(python: str, code: str, action: str, url: str, bucket: str, folder: Path) -> list[float]:
    """Run one client in a process of its own; return its figures."""
    command = [python, "-c", MEASURE + code, action, url, USER, KEY, bucket, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{action} failed:\n{done.stderr[-2000:]}")
    return [float(one) for one in done.stdout.split()]


def require_same(source: Path, fetched: Path) -> None:
    if any((fetched / one.name).read_bytes() != one.read_bytes() for one in source.iterdir()):
        raise SystemExit(f"{fetched} differs from {source}")


def print_table(title: str, figures: dict[tuple[str, str], list[list[float]]]) -> None:
    print(f"\n{title}")
    print(f"{'':22}" + "".join(f"{name:>16}{'ours/it':>9}" for name in FIGURES))
    medians = {key: [statistics.median(column) for column in zip(*rows, strict=True)] for key, rows in figures.items()}
    for (client, action), values in sorted(medians.items(), key=lambda item: (item[0][1] != "up", item[0][0])):
        ours = medians["airflow-dlaas", action]
        cells = (f"{value:16.2f}{own / value:9.2f}" for value, own in zip(values, ours, strict=True))
        print(f"{client:14}{action:8}" + "".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--server", choices=["embedded", "moto"], default="embedded")
    parser.add_argument("--peers-python", default=sys.executable)
    arguments = parser.parse_args()
    pythons = {name: arguments.peers_python if name != "airflow-dlaas" else sys.executable for name in CLIENTS}
    clients = {
        name: code
        for name, code in CLIENTS.items()
        if name == "airflow-dlaas"
        or subprocess.run([pythons[name], "-c", f"import {name}"], capture_output=True, check=False).returncode == 0
    }
    sets = {
        f"{arguments.files} files of 10 KiB": (arguments.files, 10 * 1024),
        f"1 file of {arguments.megabytes} MiB": (1, arguments.megabytes * 1024**2),
    }
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as temporary:
        for title, (count, size) in sets.items():
            if count and size:
                source = write_files(Path(temporary) / f"source-{size}", count, size)
                figures = compare(clients, pythons, arguments.server, source, arguments.rounds)
                print_table(f"{title}, {arguments.rounds} rounds, {arguments.server} server", figures)


def compare(
    clients: dict[str, str], pythons: dict[str, str], server: str, source: Path, rounds: int
) -> dict[tuple[str, str], list[list[float]]]:
    """Upload and download *source* with each client, in a new store in each round; return the figures."""
    figures: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for number in range(rounds):
        order = list(clients)[number % len(clients) :] + list(clients)[: number % len(clients)]
        with tempfile.TemporaryDirectory(dir=source.parent) as temporary, running(server, Path(temporary)) as url:
            for client in order:
                bucket, fetched = f"box-{client}", Path(temporary) / client
                fetched.mkdir()
                make_bucket(url, bucket)
                for action, where in (("up", source), ("down", fetched)):
                    values = run_client(pythons[client], clients[client], action, url, bucket, where)
                    figures[client, action].append(values)
                require_same(source, fetched)
    return figures


if __name__ == "__main__":
    main()
