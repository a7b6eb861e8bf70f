"""
Binds the ports, starts the servers and stays with them, until the service that asked for them is gone.

Runs in the store's own process. It learns of the service's end in two ways: its standard input ends, and its
parent is another process than before. (Not by PR_SET_PDEATHSIG: that speaks of the *thread* that started us, which
may well end before the service does.) The servers, forked from this single thread, do use it, so not even
``kill -9`` of the supervisor leaves one behind.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from select import select  # by name: Swift's servers replace it in its module, and we wait for real
from typing import IO

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.objectstore import rotating_log, servers, swift_config
from airflow_dlaas.service.objectstore.swift_config import Folders, Order, Ports

PATIENCE = 3.0
"""Seconds for the processes of a killed predecessor to vanish, and for ours to end when asked."""

TOO_SOON = 5.0
"""A server that ends within so many seconds of its start would do so again: then we give up."""


def supervise(folder: Path, order: Order, proxy: swift_config.Proxy = swift_config.proxy) -> None:
    """
    Run the store until the service ends or asks for it; returns when no server is left.

    *proxy* writes the configuration of the server that clients talk to.
    Writes one line of JSON to standard output: ``{}`` once every port is open, or ``{"error": …}``.
    """
    folders = Folders(folder)
    os.umask(0o077)
    try:
        lock = _lock(folders.lock)
        public = _listen(order.host, order.port)
        back = {f"{kind}-server": _listen(swift_config.LOOPBACK, 0) for kind in Ports._fields}
        _write_settings(folders, order, Ports(*(sock.getsockname()[1] for sock in back.values())), proxy)
    except HostError as error:
        _report({"error": str(error)})
        return
    os.chdir("/")
    try:
        _watch({"proxy-server": public, **back}, folders, order)
    finally:
        lock.close()


def _report(message: Mapping[str, str]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _lock(path: Path) -> IO[bytes]:
    """
    Make the folder ours; the servers inherit the lock, so who gets it knows that no server of another is left.

    The processes of a store that was killed need a moment to go, hence the patience.
    """
    file = path.open("ab")
    deadline = time.monotonic() + PATIENCE
    while not _locked(file):
        if time.monotonic() > deadline:
            file.close()
            raise HostError(
                f"The object store in {path.parent} is already running; two services cannot share one folder."
            )
        time.sleep(0.05)
    return file


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=4096)
    except OSError as error:
        raise HostError(
            f"The object store cannot listen at port {port} of {host}: {error.strerror or error}. "
            "Set DLAAS_OBJECTSTORE_PORT to a free port."
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # both are handed on to each accepted connection
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _write_settings(folders: Folders, order: Order, ports: Ports, proxy: swift_config.Proxy) -> None:
    for path in (folders.settings, folders.devices / swift_config.DEVICE):
        path.mkdir(parents=True, exist_ok=True)
    suffix = _identity(folders)
    secret = secrets.token_hex(32)
    for kind in Ports._fields:
        _write(folders.settings / f"{kind}-server.conf", swift_config.backend(kind, folders, secret))
    _write(folders.settings / "proxy-server.conf", proxy(order, folders, suffix))
    # What an upload cut short by a crash has left; its parts have no name yet and never will.
    shutil.rmtree(folders.devices / swift_config.DEVICE / "tmp", ignore_errors=True)
    servers.prepare(folders)
    servers.send_secret(secret, ports)
    servers.write_rings(folders, ports)


def _identity(folders: Folders) -> str:
    """Read the hash suffix this store was made with, or make a store: ``swift.conf`` is written exactly once."""
    path = folders.settings / "swift.conf"
    if not path.exists():
        if (folders.devices / swift_config.DEVICE / "objects").exists():
            raise HostError(
                f"{folders.devices} holds objects, but {path}, which tells where each of them lies, is gone. "
                "Bring it back, or give the service an empty folder."
            )
        _write(path, swift_config.identity(secrets.token_hex(16), secrets.token_hex(16)))
    parser = configparser.ConfigParser()
    parser.read(path)
    return parser["swift-hash"]["swift_hash_path_suffix"]


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and readable by its owner only (by the process's umask)."""
    new = path.with_name(path.name + ".new")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _watch(sockets: Mapping[str, socket.socket], folders: Folders, order: Order) -> None:
    words, mouth = os.pipe()
    stop = _stop_signal()
    running: dict[int, tuple[str, float]] = {}

    # The servers behind the proxy are on loopback, and speak to nobody else.
    pairs = {"proxy-server": (order.certificate, order.private_key)} if order.certificate and order.private_key else {}

    def start(name: str) -> None:
        running[servers.fork(name, sockets[name], folders, mouth, pairs.get(name))] = (name, time.monotonic())

    for name in sockets:
        start(name)
    _report({})
    try:
        while os.getppid() == order.parent:
            ready, _, _ = select([words, sys.stdin, stop], [], [], 1.0)
            if words in ready:
                rotating_log.append(folders.log, os.read(words, 1 << 16))
            if sys.stdin in ready or stop in ready:
                break
            for pid, status in _ended(running):
                name, since = running.pop(pid)
                rotating_log.append(folders.log, f"{name} ended with {os.waitstatus_to_exitcode(status)}\n".encode())
                if time.monotonic() - since < TOO_SOON:
                    return
                start(name)
    finally:
        _end(running)
        os.set_blocking(words, False)
        with contextlib.suppress(BlockingIOError):
            rotating_log.append(folders.log, os.read(words, 1 << 16))


def _stop_signal() -> int:
    """A descriptor that becomes readable on SIGTERM or SIGINT."""
    wake, ring = os.pipe()
    os.set_blocking(ring, False)
    signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    return wake


def _ended(running: Iterable[int]) -> list[tuple[int, int]]:
    answers = [os.waitpid(pid, os.WNOHANG) for pid in running]
    return [(pid, status) for pid, status in answers if pid]


def _end(running: dict[int, tuple[str, float]]) -> None:
    """
    End every server: politely, then for good.

    Cutting one off in the middle of a write is safe: an object gets its name only when it is whole.
    """
    for number, patience in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
        for pid in running:
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while running and time.monotonic() < deadline:
            for pid, _ in _ended(running):
                del running[pid]
            if running:
                time.sleep(0.01)
