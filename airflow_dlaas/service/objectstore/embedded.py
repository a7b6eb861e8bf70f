"""
Starts and stops the embedded Swift from the service.

Nothing of Swift is imported here: it runs in a process of its own; see the docstring of the package.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import importlib.util
import json
import os
import select
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.config.tls import TlsConfig
from airflow_dlaas.service.objectstore import rotating_log
from airflow_dlaas.service.objectstore.swift_config import LaunchConfig, StoreFolders
from airflow_dlaas.service.process.ports import connect_host, web_url

START_TIMEOUT = 30.0
"""Seconds that the store may take to start on the slowest machine; usually it takes about one."""

STOP_TIMEOUT = 12.0
"""Seconds that the store may take to stop before it is killed."""


@dataclass(frozen=True)
class SwiftLogin:
    """The login of a client, for Swift auth v1. `user` is ``ACCOUNT:user``."""

    auth_url: str
    user: str
    key: str = field(repr=False)


class EmbeddedSwift:
    """
    The real OpenStack Swift in *folder*, with one replica, at ``http://host:port/auth/v1.0``.

    With *tls* it serves https only. *public_host* is the name of the host for clients, if that is another name.

    - Stored objects survive restarts, and so does the address: *port* is fixed because Airflow connections contain it.
      Tokens stay valid too, as long as the key is the same.
    - It ends with this process, however that ends; no process remains.
    - Objects are up to 5 GiB, larger ones are stored as segments. Containers list an object as soon as its PUT is
      answered; the *account's* counts of objects and bytes follow within a few seconds.
    - The proxy requires a token. The servers behind it listen on loopback, at ports that the kernel selects, and
      require a secret that is new at each start and that only Swift's own processes know (`backend_auth`).
    - Other users of this machine cannot read the directory, even if it existed before.
    - Errors of Swift are in ``folder/swift.log``, at most 1 MiB, and as much again in ``swift.log.1``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int,
        user: str,
        key: str,
        public_host: str | None = None,
        tls: TlsConfig | None = None,
    ) -> None:
        self._folders = StoreFolders(folder.absolute())
        self._public_host = public_host or connect_host(host)
        tls_files = (str(tls.certificate), str(tls.key)) if tls else (None, None)
        self._launch_config = LaunchConfig(host, port, user, key, os.getpid(), *tls_files)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self._launch_config.port

    @property
    def login(self) -> SwiftLogin:
        scheme = "https" if self._launch_config.certificate else "http"
        return SwiftLogin(
            web_url(scheme, self._public_host, self._launch_config.port) + "/auth/v1.0",
            self._launch_config.user,
            self._launch_config.key,
        )

    def start(self) -> SwiftLogin:
        """
        Start the store; return as soon as it has answered a real request, with a token, through all its servers.

        :raises HostError: the port is in use, the file system has no extended attributes, Swift is not installed, or
            another service uses the directory. No process remains then.
        """
        if self.is_running():
            return self.login
        _require_supported_host()
        _create_private_folder(self._folders.root)
        self._folders.devices.mkdir(mode=0o700, exist_ok=True)
        _require_xattr_support(self._folders.devices)
        deadline = time.monotonic() + START_TIMEOUT
        try:
            self._launch(deadline)
            self._require_ready(deadline)
        except BaseException:
            self.stop()
            raise
        return self.login

    def stop(self) -> None:
        """Stop the store and wait until its last process has ended. Does nothing if it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()  # the supervisor stops when its standard input ends
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def is_running(self) -> bool:
        """Return whether the supervisor of the store is running. It restarts a single server that fails."""
        return self._process is not None and self._process.poll() is None

    def _launch(self, deadline: float) -> None:
        rotating_log.rotate(self._folders.log)
        command = [sys.executable, "-W", "ignore", "-m", __package__, str(self._folders.root)]
        with self._folders.log.open("ab") as log:
            # A session of its own: Ctrl-C must reach only the service, since learners may still store results.
            self._process = process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert process.stdin is not None  # noqa: S101  (both are pipes, see above)
        assert process.stdout is not None  # noqa: S101
        with process.stdout as reply:
            with contextlib.suppress(BrokenPipeError):  # it has already ended; its log has the reason
                process.stdin.write(self._launch_config.to_line())
                process.stdin.flush()
            readable, _, _ = select.select([reply], [], [], max(0.0, deadline - time.monotonic()))
            line = reply.readline() if readable else b""
        if not line:
            raise HostError(self._failure_message("did not start"))
        answer: dict[str, str] = json.loads(line)
        if "error" in answer:
            raise HostError(answer["error"])

    def _require_ready(self, deadline: float) -> None:
        """Request an object that does not exist: the 404 needs the proxy, a token and all three servers."""
        auth_headers = {"X-Auth-User": self._launch_config.user, "X-Auth-Key": self._launch_config.key}
        connection = self._create_connection(deadline - time.monotonic())
        try:
            with contextlib.closing(connection):
                reply = _get(connection, "/auth/v1.0", auth_headers, HTTPStatus.OK)
                account = urlsplit(reply["X-Storage-Url"]).path
                token = {"X-Auth-Token": reply["X-Auth-Token"]}
                _get(connection, f"{account}/.ready/.ready", token, HTTPStatus.NOT_FOUND)
        except (OSError, http.client.HTTPException) as error:
            raise HostError(self._failure_message(f"does not answer ({error})")) from error

    def _create_connection(self, timeout: float) -> http.client.HTTPConnection:
        host = connect_host(self._launch_config.host)
        if not self._launch_config.certificate:
            return http.client.HTTPConnection(host, self._launch_config.port, timeout=timeout)
        # The port belongs to a child process, and the certificate has the public name: it is not verified here.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(host, self._launch_config.port, timeout=timeout, context=context)

    def _failure_message(self, problem: str) -> str:
        last = rotating_log.tail(self._folders.log)
        return f"The embedded object store {problem}. The end of {self._folders.log}:\n{last or '(empty)'}"


def _get(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str], expected: HTTPStatus
) -> http.client.HTTPMessage:
    connection.request("GET", path, headers=headers)
    reply = connection.getresponse()
    reply.read()
    if reply.status != expected:
        raise http.client.HTTPException(f"{reply.status} {reply.reason} for {path}")
    return reply.headers


def _require_supported_host() -> None:
    alternative = "Use an existing Swift instead: DLAAS_OBJECTSTORE=off, and its host in DLAAS_OBJECT_STORES."
    if sys.platform != "linux":
        raise HostError(f"The embedded object store runs on Linux only. {alternative}")
    if importlib.util.find_spec("swift") is None:
        raise HostError(
            f'The embedded object store needs OpenStack Swift: pip install "airflow-dlaas[service]". {alternative}'
        )


def _create_private_folder(folder: Path) -> None:
    """Create *folder* if it is missing, and make it private: it contains keys, and the data of all users."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise HostError(
            f"The object store cannot use {folder}: {error.strerror or error}. The directory must belong to the user "
            "that runs the service."
        ) from error


def _require_xattr_support(folder: Path) -> None:
    """Raise `HostError` if *folder* has no extended attributes, in which Swift stores the metadata of an object."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.setxattr(file.fileno(), "user.swift.metadata", b"x" * 512)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise HostError(f"The object store cannot write to {folder}: {error.strerror or error}.") from error
        raise HostError(
            f"The filesystem of {folder} has no extended attributes ({error.strerror}), which the object store needs. "
            "Give the service a directory on ext4, XFS, Btrfs or a recent tmpfs."
        ) from error
