"""
Swift's own servers, run inside this process. The only module that imports Swift.

Imported once, by the supervisor; each server is a fork of it, so Swift is loaded once and its memory shared.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import socket
import traceback
from pathlib import Path
from typing import Any

import swift.account.server
import swift.container.server
import swift.obj.server
import swift.proxy.server  # noqa: F401  (with the three above and those below: loaded before the forks)
from swift.common import bufferedhttp, constraints, utils, wsgi
from swift.common.concurrency import greenio, ssl
from swift.common.middleware import (  # noqa: F401
    bulk,
    catch_errors,
    copy,
    dlo,
    gatekeeper,
    healthcheck,
    listing_formats,
    slo,
    symlink,
    tempauth,
    tempurl,
    versioned_writes,
)
from swift.common.ring import RingBuilder
from swift.common.utils import logs

from airflow_dlaas.service.objectstore import backend_auth, swift_config
from airflow_dlaas.service.objectstore.swift_config import BackendPorts, StoreFolders

MAX_LINE_BYTES = 4000
"""Bytes of a log line: a write to a pipe of fewer than 4096 is never mixed with another process's."""

_PR_SET_PDEATHSIG = 1


def configure_swift(folders: StoreFolders) -> None:
    """
    Make Swift, as loaded here, read its configuration under *folders* and log to standard error.

    From here on ``socket``, ``select`` and ``threading`` are eventlet's.
    """
    utils.set_swift_dir(str(folders.config_dir))
    constraints.reload_constraints()  # read from /etc/swift when Swift was loaded
    # Without /dev/log Swift's handler sends to UDP port 514, whoever listens there; and the setting for it
    # does not reach every logger.
    logs.ThreadSafeSysLogHandler = StderrHandler
    # Here and not in each server: it looks at every object there is, and what it touches is no longer shared.
    utils.monkey_patch()


def add_secret_header(secret: str, ports: BackendPorts) -> None:
    """
    Make every request that Swift, as loaded here, sends to the servers at *ports* carry *secret*.

    All of Swift's internal clients (the proxy, the object server's and the container server's updates, direct_client,
    the updaters, replicators and the expirer) connect by this class or one derived from it. A connection to another
    address gets no secret.
    """
    original_putrequest = bufferedhttp.BufferedHTTPConnection.putrequest

    def putrequest(connection: Any, *args: Any, **options: Any) -> None:
        original_putrequest(connection, *args, **options)
        if connection.host == swift_config.LOOPBACK and connection.port in ports:
            connection.putheader(backend_auth.SECRET_HEADER, secret)

    bufferedhttp.BufferedHTTPConnection.putrequest = putrequest


def write_rings(folders: StoreFolders, ports: BackendPorts) -> None:
    """Say where the one replica of everything is: the ports are new at each start, the places on disk are not."""
    for kind, port in ports._asdict().items():
        builder = RingBuilder(swift_config.PART_POWER, 1, 1)
        builder.add_dev(
            {
                "id": 0,
                "region": 1,
                "zone": 1,
                "weight": 1,
                "device": swift_config.DEVICE_NAME,
                "ip": swift_config.LOOPBACK,
                "port": port,
                "replication_ip": swift_config.LOOPBACK,
                "replication_port": port,
            }
        )
        builder.rebalance()
        builder.get_ring().save(str(folders.config_dir / f"{kind}.ring.gz"))


def fork_server(
    name: str, sock: socket.socket, folders: StoreFolders, stderr_fd: int, tls_files: tuple[str, str] | None = None
) -> int:
    """
    Start a process that runs the server *name* at *sock*, where it listens already, and return the process's id.

    With *tls_files*, files of a certificate and its key, it speaks TLS and nothing else.

    It writes what it has to say to the descriptor *stderr_fd* and is killed when this process ends, however it ends.
    """
    parent = os.getpid()
    gc.freeze()  # what is loaded stays shared: the collector would write to it
    pid = os.fork()
    if pid:
        return pid
    try:
        _die_with_parent(parent)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for old, new in ((null, 0), (null, 1), (stderr_fd, 2)):
            os.dup2(old, new)
        _run_server(name, sock, folders.config_dir / f"{name}.conf", tls_files)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(1)  # a server that returns has failed; a fork must never go on in the supervisor's code


def _die_with_parent(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _run_server(name: str, sock: socket.socket, conf_file: Path, tls_files: tuple[str, str] | None) -> None:
    conf = wsgi.appconfig(str(conf_file), name=name)
    logger = utils.get_logger(conf, name, log_route="wsgi")
    listener = greenio.GreenSocket(sock)
    if tls_files is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls_files)
        listener = TlsListener(listener, context)
    wsgi.run_server(conf, logger, listener)


class TlsListener:
    """
    A socket to listen at whose connections speak TLS.

    Hands are shaken by each connection's own green thread, when it first reads: nobody waits for one that is slow. One
    that is gone before it was let in is forgotten. (Swift would wrap the listening socket itself; that ends the whole
    server for such a one.)
    """

    def __init__(self, listener: Any, context: Any) -> None:
        self._listener = listener
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

    def accept(self) -> tuple[Any, Any]:
        while True:
            connection, address = self._listener.accept()
            try:
                connection.getpeername()  # what has no peer any more is not wrapped, but taken for a listening socket
                tls_connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            except (OSError, ValueError):
                connection.close()
            else:
                return tls_connection, address

    def do_handshake(self) -> None:
        """Never called: by its being there eventlet knows that URLs here begin with https."""


class StderrHandler(logging.Handler):
    """
    Writes records to descriptor 2, each in one piece. Takes the place of Swift's syslog handler, arguments and all.

    No buffer and no lock that a green thread could hold across a switch.
    """

    def __init__(self, *_args: object, **_options: object) -> None:
        super().__init__()

    def createLock(self) -> None:  # noqa: N802  (logging's name)
        self.lock = logs.NoopMutex()  # not None: from Python 3.13 on it is entered unseen

    def emit(self, record: logging.LogRecord) -> None:
        when = logging.Formatter().formatTime(record)
        line = f"{when} {record.levelname} {self.format(record)}".replace("\n", "\n  ")
        os.write(2, line.encode(errors="replace")[: MAX_LINE_BYTES - 1] + b"\n")
