"""
Binds the ports, starts Swift's servers and restarts them, until the service ends.

It runs in the process of the store. It detects the end of the service in two ways: standard input ends, and the parent
process changes. PR_SET_PDEATHSIG does not serve here: it signals the end of the *thread* that started this process,
which may end before the service does. The servers, which are forked from this only thread, do use it, so that none
remains after a ``kill -9`` of the supervisor.
"""

from __future__ import annotations

import configparser
import contextlib
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
from select import select  # by name: Swift's servers replace it in its module, and this module needs the real one

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas._util.file_lock import acquire_file_lock
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.objectstore import rotating_log, servers, swift_config
from airflow_dlaas.service.objectstore.swift_config import BackendPorts, LaunchConfig, StoreFolders

PROCESS_EXIT_TIMEOUT = 3.0
"""Seconds for the processes of a killed predecessor to end, and for the servers to end after a signal."""

MIN_UPTIME = 5.0
"""Seconds. If a server ends earlier than this after its start, it would fail again, and the store ends."""


def supervise(
    folder: Path, launch_config: LaunchConfig, proxy_config: swift_config.ProxyConfigFactory = swift_config.proxy_config
) -> None:
    """
    Run the store until the service ends or stops it; return when no server is left.

    Writes one line of JSON to standard output: ``{}`` as soon as every port is open, or ``{"error": …}``.

    :param proxy_config: returns the configuration of the proxy, the server that clients connect to.
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
        os.close(lock)


def _write_reply(message: Mapping[str, str]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _acquire_lock(path: Path) -> int:
    """
    Lock the directory of the store and return the lock's descriptor. The servers inherit it.

    If this succeeds, no server of another store process is left. The processes of a killed store need a moment to end.

    :raises HostError: another store holds the lock for longer than `PROCESS_EXIT_TIMEOUT`.
    """
    try:
        return acquire_file_lock(path, timeout=PROCESS_EXIT_TIMEOUT)
    except BlockingIOError:
        raise HostError(
            f"The object store in {path.parent} is already running; two services cannot share one directory."
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=4096)
    except OSError as error:
        raise HostError(
            f"The object store cannot listen at port {port} of {host}: {error.strerror or error}. "
            "Set DLAAS_OBJECTSTORE_PORT to a free port."
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit both options
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
        atomic_write_text(
            folders.config_dir / f"{kind}-server.conf",
            swift_config.backend_config(kind, folders, secret),
            mode=0o600,
            fsync=True,
        )
    atomic_write_text(
        folders.config_dir / "proxy-server.conf", proxy_config(launch_config, folders, suffix), mode=0o600, fsync=True
    )
    # Leftovers of uploads that a crash interrupted; they never became objects.
    shutil.rmtree(folders.devices / swift_config.DEVICE_NAME / "tmp", ignore_errors=True)
    servers.configure_swift(folders)
    servers.add_secret_header(secret, ports)
    servers.write_rings(folders, ports)


def _ensure_hash_suffix(folders: StoreFolders) -> str:
    """Return the hash suffix of this store; for a new store, create ``swift.conf``, which is written only once."""
    path = folders.config_dir / "swift.conf"
    if not path.exists():
        if (folders.devices / swift_config.DEVICE_NAME / "objects").exists():
            raise HostError(
                f"{folders.devices} contains objects, but {path}, which determines their paths, is missing. "
                "Restore that file, or give the service an empty directory."
            )
        atomic_write_text(
            path, swift_config.swift_conf(secrets.token_hex(16), secrets.token_hex(16)), mode=0o600, fsync=True
        )
    parser = configparser.ConfigParser()
    parser.read(path)
    return parser["swift-hash"]["swift_hash_path_suffix"]


def _run_servers(sockets: Mapping[str, socket.socket], folders: StoreFolders, launch_config: LaunchConfig) -> None:
    log_read_fd, log_write_fd = os.pipe()
    stop_fd = _stop_signal_fd()
    running: dict[int, tuple[str, float]] = {}

    # Only the proxy uses TLS: the servers behind it listen on loopback.
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
    """Return a descriptor that becomes readable on SIGTERM or SIGINT."""
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
    Stop every server, by SIGTERM and then by SIGKILL.

    To kill one during a write is safe: an object gets its name only when it is complete.
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
