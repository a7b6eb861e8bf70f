"""
Runs Swift's servers. Only this module and the filters `account_updates` and `listing_updates` import Swift.

The supervisor imports it once; each server is a fork of the supervisor, so Swift is loaded once, and its memory is
shared.
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
"""Bytes of a log line: a pipe never interleaves writes of up to 4096 bytes by several processes."""

_PR_SET_PDEATHSIG = 1


def configure_swift(folders: StoreFolders) -> None:
    """
    Configure Swift, as imported in this process: its files are in *folders*, and it logs to standard error.

    After this, ``socket``, ``select`` and ``threading`` are those of eventlet.
    """
    utils.set_swift_dir(str(folders.config_dir))
    constraints.reload_constraints()  # Swift read them from /etc/swift when it was imported
    # Without /dev/log, Swift's handler sends to UDP port 514, which may be any program; and the setting against this
    # does not reach every logger.
    logs.ThreadSafeSysLogHandler = StderrHandler
    # Here and not in each server: it visits every object in memory, and visited pages are no longer shared.
    utils.monkey_patch()


def add_secret_header(secret: str, ports: BackendPorts) -> None:
    """
    Add *secret* to every request that Swift, as imported in this process, sends to the servers at *ports*.

    All internal clients of Swift (the proxy, the updates of the object server and the container server, direct_client,
    the updaters, replicators and the expirer) connect by this class or a subclass. A connection to another address does
    not get the secret.
    """
    original_putrequest = bufferedhttp.BufferedHTTPConnection.putrequest

    def putrequest(connection: Any, *args: Any, **options: Any) -> None:
        original_putrequest(connection, *args, **options)
        if connection.host == swift_config.LOOPBACK and connection.port in ports:
            connection.putheader(backend_auth.SECRET_HEADER, secret)

    bufferedhttp.BufferedHTTPConnection.putrequest = putrequest


def write_rings(folders: StoreFolders, ports: BackendPorts) -> None:
    """
    Write the rings, which locate the only replica. The ports are new at each start; the paths on disk stay the same.
    """
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
    Start a process that runs the server *name* on *sock*, a listening socket; return the process id.

    The process is killed when this process ends, however it ends.

    :param stderr_fd: the descriptor that the server logs to.
    :param tls_files: paths of a certificate and its key; with these, the server uses only TLS.
    """
    parent = os.getpid()
    gc.freeze()  # memory stays shared: the garbage collector would write to it
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
        os._exit(1)  # a server that returns has failed; the fork must not continue in the code of the supervisor


def _die_with_parent(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # the parent died before the call of prctl
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
    A listening socket whose connections use TLS.

    The green thread of each connection does the handshake at its first read, so that a slow client delays no other one.
    A client that disconnects before it is accepted is ignored. (Swift would wrap the listening socket itself; then such
    a client ends the whole server.)
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
                connection.getpeername()  # without a peer, wrap_socket would take it for a listening socket
                tls_connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            except (OSError, ValueError):
                connection.close()
            else:
                return tls_connection, address

    def do_handshake(self) -> None:
        """Never called: eventlet checks that this exists, and then begins URLs with https."""


class StderrHandler(logging.Handler):
    """
    Writes each record to descriptor 2 by one write. Replaces Swift's syslog handler, and accepts its arguments.

    It has no buffer, and no lock that a green thread could hold during a switch.
    """

    def __init__(self, *_args: object, **_options: object) -> None:
        super().__init__()

    def createLock(self) -> None:  # noqa: N802  (the name is logging's)
        self.lock = logs.NoopMutex()  # not None: from Python 3.13 on, logging enters it without a check

    def emit(self, record: logging.LogRecord) -> None:
        when = logging.Formatter().formatTime(record)
        line = f"{when} {record.levelname} {self.format(record)}".replace("\n", "\n  ")
        os.write(2, line.encode(errors="replace")[: MAX_LINE_BYTES - 1] + b"\n")
