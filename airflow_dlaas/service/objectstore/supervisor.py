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
from airflow_dlaas.service.objectstore.swift_config import BackendPorts, LaunchConfig, StoreFolders

PROCESS_EXIT_TIMEOUT = 3.0
"""Seconds for the processes of a killed predecessor to vanish, and for ours to end when asked."""

MIN_UPTIME = 5.0
"""A server that ends within so many seconds of its start would do so again: then we give up."""


def supervise(
    folder: Path, launch_config: LaunchConfig, proxy_config: swift_config.ProxyConfigFactory = swift_config.proxy_config
) -> None:
    """
    Run the store until the service ends or asks for it; returns when no server is left.

    *proxy_config* writes the configuration of the server that clients talk to.
    Writes one line of JSON to standard output: ``{}`` once every port is open, or ``{"error": …}``.
    """
    folders = StoreFolders(folder)
    os.umask(0o077)
    try:
        lock = _acquire_lock(folders.lock)
        proxy_socket = _listen(launch_config.host, launch_config.port)
        backend_sockets = {f"{kind}-server": _listen(swift_config.LOOPBACK, 0) for kind in BackendPorts._fields}
        _write_config(
            folders,
            launch_config,
            BackendPorts(*(sock.getsockname()[1] for sock in backend_sockets.values())),
            proxy_config,
        )
    except HostError as error:
        _write_reply({"error": str(error)})
        return
    os.chdir("/")
    try:
        _run_servers({"proxy-server": proxy_socket, **backend_sockets}, folders, launch_config)
    finally:
        lock.close()


def _write_reply(message: Mapping[str, str]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _acquire_lock(path: Path) -> IO[bytes]:
    """
    Make the folder ours; the servers inherit the lock, so who gets it knows that no server of another is left.

    The processes of a store that was killed need a moment to go, hence the patience.
    """
    file = path.open("ab")
    deadline = time.monotonic() + PROCESS_EXIT_TIMEOUT
    while not _try_lock(file):
        if time.monotonic() > deadline:
            file.close()
            raise HostError(
                f"The object store in {path.parent} is already running; two services cannot share one folder."
            )
        time.sleep(0.05)
    return file


def _try_lock(file: IO[bytes]) -> bool:
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


def _write_config(
    folders: StoreFolders,
    launch_config: LaunchConfig,
    ports: BackendPorts,
    proxy_config: swift_config.ProxyConfigFactory,
) -> None:
    for path in (folders.config_dir, folders.devices / swift_config.DEVICE_NAME):
        path.mkdir(parents=True, exist_ok=True)
    suffix = _ensure_hash_suffix(folders)
    secret = secrets.token_hex(32)
    for kind in BackendPorts._fields:
        _write_atomic(folders.config_dir / f"{kind}-server.conf", swift_config.backend_config(kind, folders, secret))
    _write_atomic(folders.config_dir / "proxy-server.conf", proxy_config(launch_config, folders, suffix))
    # What an upload cut short by a crash has left; its parts have no name yet and never will.
    shutil.rmtree(folders.devices / swift_config.DEVICE_NAME / "tmp", ignore_errors=True)
    servers.configure_swift(folders)
    servers.add_secret_header(secret, ports)
    servers.write_rings(folders, ports)


def _ensure_hash_suffix(folders: StoreFolders) -> str:
    """Read the hash suffix this store was made with, or make a store: ``swift.conf`` is written exactly once."""
    path = folders.config_dir / "swift.conf"
    if not path.exists():
        if (folders.devices / swift_config.DEVICE_NAME / "objects").exists():
            raise HostError(
                f"{folders.devices} holds objects, but {path}, which tells where each of them lies, is gone. "
                "Bring it back, or give the service an empty folder."
            )
        _write_atomic(path, swift_config.swift_conf(secrets.token_hex(16), secrets.token_hex(16)))
    parser = configparser.ConfigParser()
    parser.read(path)
    return parser["swift-hash"]["swift_hash_path_suffix"]


def _write_atomic(path: Path, text: str) -> None:
    """Whole or not at all, and readable by its owner only (by the process's umask)."""
    new = path.with_name(path.name + ".new")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _run_servers(sockets: Mapping[str, socket.socket], folders: StoreFolders, launch_config: LaunchConfig) -> None:
    log_read_fd, log_write_fd = os.pipe()
    stop_fd = _stop_signal_fd()
    running: dict[int, tuple[str, float]] = {}

    # The servers behind the proxy are on loopback, and speak to nobody else.
    tls_files = (
        {"proxy-server": (launch_config.certificate, launch_config.private_key)}
        if launch_config.certificate and launch_config.private_key
        else {}
    )

    def start(name: str) -> None:
        running[servers.fork_server(name, sockets[name], folders, log_write_fd, tls_files.get(name))] = (
            name,
            time.monotonic(),
        )

    for name in sockets:
        start(name)
    _write_reply({})
    try:
        while os.getppid() == launch_config.parent_pid:
            ready, _, _ = select([log_read_fd, sys.stdin, stop_fd], [], [], 1.0)
            if log_read_fd in ready:
                rotating_log.append(folders.log, os.read(log_read_fd, 1 << 16))
            if sys.stdin in ready or stop_fd in ready:
                break
            for pid, status in _reap_ended(running):
                name, started_at = running.pop(pid)
                rotating_log.append(folders.log, f"{name} ended with {os.waitstatus_to_exitcode(status)}\n".encode())
                if time.monotonic() - started_at < MIN_UPTIME:
                    return
                start(name)
    finally:
        _stop_servers(running)
        os.set_blocking(log_read_fd, False)
        with contextlib.suppress(BlockingIOError):
            rotating_log.append(folders.log, os.read(log_read_fd, 1 << 16))


def _stop_signal_fd() -> int:
    """A descriptor that becomes readable on SIGTERM or SIGINT."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    return read_fd


def _reap_ended(running: Iterable[int]) -> list[tuple[int, int]]:
    answers = [os.waitpid(pid, os.WNOHANG) for pid in running]
    return [(pid, status) for pid, status in answers if pid]


def _stop_servers(running: dict[int, tuple[str, float]]) -> None:
    """
    End every server: politely, then for good.

    Cutting one off in the middle of a write is safe: an object gets its name only when it is whole.
    """
    for number, timeout in ((signal.SIGTERM, PROCESS_EXIT_TIMEOUT), (signal.SIGKILL, PROCESS_EXIT_TIMEOUT)):
        for pid in running:
            os.kill(pid, number)
        deadline = time.monotonic() + timeout
        while running and time.monotonic() < deadline:
            for pid, _ in _reap_ended(running):
                del running[pid]
            if running:
                time.sleep(0.01)
