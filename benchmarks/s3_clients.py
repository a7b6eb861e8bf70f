"""
Transfers to and from an S3 store: airflow-dlaas, obstore, boto3, s3fs and rclone, against one store in one run.

    python benchmarks/s3_clients.py [--rounds 5] [--sets 10000x10KiB,1x1GiB] [--server embedded|memory|moto]
        [--peers-python PATH]...

Each measurement is a process of its own, which measures itself after its imports; its memory is the most that it had.
rclone is a command: its start counts. All clients use 8 threads or tasks for small files; for the large file each has
its own defaults, or (boto3, rclone) parts of 64 MiB. Rounds are interleaved: each runs all clients once, in another
order, and medians are compared. Ratios are airflow-dlaas to the other client: below 1, it needs less. airflow-dlaas
compares the MD5 of all that it sends and receives, rclone too, boto3 the CRC that the store has, obstore and s3fs
nothing that they receive. The embedded store needs more time than most clients; the one in memory (`memory_s3.py`) is
fast enough to see the clients' own speed. A client that is in none of the Pythons of the peers is left out. Data and
store are in memory if /dev/shm exists, so that no disk is measured.
"""

from __future__ import annotations

import argparse
import random
import shutil
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
import os, resource, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
action, url, user, key, bucket, folder = sys.argv[1:]
folder = Path(folder)
def for_all(function, items):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(function, items))
def cpu_seconds():
    used = [resource.getrusage(one) for one in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
def measure(up, down):
    before, started = cpu_seconds(), time.monotonic()
    (up if action == "up" else down)()
    wall, cpu = time.monotonic() - started, cpu_seconds() - before
    # The kernel begins ru_maxrss with that of the parent, but VmHWM (in KiB) with the process itself.
    memory = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    print(wall, cpu, max(memory, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024)
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
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from s3transfer.manager import TransferManager
client = boto3.client(
    "s3", endpoint_url=url, aws_access_key_id=user, aws_secret_access_key=key, region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}, max_pool_connections=10),
)
# One manager for all files: client.upload_file would start threads for each.
config = TransferConfig(max_concurrency=8, multipart_threshold=64 * 2**20, multipart_chunksize=64 * 2**20)
def up():
    with TransferManager(client, config) as manager:
        for future in [manager.upload(str(folder / name), bucket, name) for name in os.listdir(folder)]:
            future.result()
def down():
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    names = [one["Key"] for page in pages for one in page["Contents"]]
    with TransferManager(client, config) as manager:
        for future in [manager.download(bucket, name, str(folder / name)) for name in names]:
            future.result()
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

S3FS = """
import s3fs
files = s3fs.S3FileSystem(
    key=user, secret=key, endpoint_url=url, client_kwargs={"region_name": "us-east-1"},
    config_kwargs={"s3": {"addressing_style": "path"}, "max_pool_connections": 10},
)
files.exists(bucket)  # makes its client, which the others have made, too
files.invalidate_cache()
def up():
    names = os.listdir(folder)
    files.put([str(folder / name) for name in names], [f"{bucket}/{name}" for name in names], batch_size=8)
def down():
    names = files.ls(bucket, detail=False)
    files.get(names, [str(folder / name.rpartition("/")[2]) for name in names], batch_size=8)
measure(up, down)
"""

RCLONE = """
options = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": url, "ACCESS_KEY_ID": user, "SECRET_ACCESS_KEY": key,
    "REGION": "us-east-1", "FORCE_PATH_STYLE": "true", "CHUNK_SIZE": "64Mi", "UPLOAD_CUTOFF": "64Mi"}
def copy(source, target):
    command = ["rclone", "copy", "--config=", "--transfers=8", "--checkers=16", source, target]
    # rclone 1.60 ends with an error for this variable.
    inherited = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
    environment = inherited | {f"RCLONE_CONFIG_S_{name}": value for name, value in options.items()}
    subprocess.run(command, env=environment, check=True)
measure(lambda: copy(str(folder), f"s:{bucket}"), lambda: copy(f"s:{bucket}", str(folder)))
"""

CLIENTS = {"airflow-dlaas": OURS, "boto3": BOTO3, "obstore": OBSTORE, "s3fs": S3FS, "rclone": RCLONE}


@contextmanager
def running(server: str, folder: Path) -> Iterator[str]:
    """Run the store; yield its URL."""
    if server != "embedded":
        port = free_port()
        commands = {
            "memory": [sys.executable, str(Path(__file__).with_name("memory_s3.py")), str(port)],
            "moto": [str(Path(sys.executable).with_name("moto_server")), "-p", str(port)],
        }
        command = commands[server]
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


def find_pythons(candidates: list[str]) -> dict[str, str]:
    """Return the Python of each client: the first candidate that has it. rclone is a command."""
    found = {"airflow-dlaas": sys.executable} | ({"rclone": sys.executable} if shutil.which("rclone") else {})
    for python in candidates:
        for name in CLIENTS.keys() - found.keys() - {"rclone"}:
            if subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False).returncode == 0:
                found[name] = python
    return {name: found[name] for name in CLIENTS if name in found}


def parse_sets(text: str) -> list[tuple[int, int]]:
    """Return the number of files of each set, and their size: `10000x10KiB,1x1GiB`."""
    units = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
    pairs = [one.split("x") for one in text.split(",")]
    return [(int(count), int(size[:-3]) * units[size[-3:]]) for count, size in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sets", default="10000x10KiB,1x1GiB")
    parser.add_argument("--server", choices=["embedded", "memory", "moto"], default="embedded")
    parser.add_argument("--peers-python", action="append", default=[])
    parser.add_argument("--only", help="the clients, for example airflow-dlaas,boto3; default: all")
    arguments = parser.parse_args()
    pythons = find_pythons([*arguments.peers_python, sys.executable])
    if arguments.only:
        pythons = {name: pythons[name] for name in arguments.only.split(",")}
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as temporary:
        for count, size in parse_sets(arguments.sets):
            source = write_files(Path(temporary) / f"source-{count}-{size}", count, size)
            figures = compare(pythons, arguments.server, source, arguments.rounds)
            print_table(f"{count} x {size:,} bytes, {arguments.rounds} rounds, {arguments.server} server", figures)
            shutil.rmtree(source)


def compare(
    pythons: dict[str, str], server: str, source: Path, rounds: int
) -> dict[tuple[str, str], list[list[float]]]:
    """Upload and download *source* with each client, in a new store in each round; return the figures."""
    figures: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for number in range(rounds):
        first = number % len(pythons)
        order = [*pythons][first:] + [*pythons][:first]
        with tempfile.TemporaryDirectory(dir=source.parent) as temporary, running(server, Path(temporary)) as url:
            for client in order:
                bucket, fetched = f"box-{client}", Path(temporary) / client
                fetched.mkdir()
                make_bucket(url, bucket)
                for action, where in (("up", source), ("down", fetched)):
                    values = run_client(pythons[client], CLIENTS[client], action, url, bucket, where)
                    figures[client, action].append(values)
                require_same(source, fetched)
                shutil.rmtree(fetched)
    return figures


if __name__ == "__main__":
    main()
