"""
The data directory of a service: DLAAS_HOME. It is locked while the service runs, and only its owner can read it.

::

    lock               locked by the running service; contains its pid
    credentials.json   the service's own user, its keys and its URLs (0600)
    connections.json   for `airflow connections import` (0600)
    database.sqlite    the database, unless DLAAS_DATABASE names another one
    authorities.pem    the CA bundle of trainings, if DLAAS_TLS_CA is set
    blobs/ jobs/ environments/ swift/
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas._util.file_lock import acquire_file_lock
from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.config.client_settings import ClientSettings

SWIFT_USER = "dlaas:trainer"
"""The only user of the embedded Swift, as ``ACCOUNT:user``. For S3 clients it is the id of the access key."""

S3_CONNECTION = "dlaas_s3"
"""The id of the Airflow connection to the embedded store by S3."""

S3_REGION = "us-east-1"
"""The region for which requests to the embedded store are signed: the default of Swift and of most clients."""


@dataclass(frozen=True)
class Credentials:
    """The content of credentials.json. The URLs are those of the last start."""

    user: str
    password: str = field(repr=False)
    token_key: str = field(repr=False)
    """The key with which the API signs tokens, in hexadecimal; the store derives its encryption key from it."""
    swift_user: str
    swift_key: str = field(repr=False)
    url: str = ""
    auth_url: str | None = None
    """The login URL of the embedded Swift; None without one."""
    ca_file: str | None = None
    """The authorities that signed the certificate of all URLs, unless it is a public one."""
    previous_token_key: str | None = field(default=None, repr=False)
    """The token key before a rotation that has not ended: secrets in the database may still be encrypted with it."""
    previous_swift_key: str | None = field(default=None, repr=False)
    """The Swift key before a rotation that has not ended: queued trainings may still have it."""

    @property
    def s3_url(self) -> str | None:
        """The endpoint of the embedded store for S3 clients, with the same user and key; None without the store."""
        return None if self.auth_url is None else urlsplit(self.auth_url)._replace(path="").geturl()


@dataclass(frozen=True)
class DataDir:
    """A data directory: its paths, its lock, and its credentials."""

    path: Path

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def credentials_file(self) -> Path:
        return self.path / "credentials.json"

    @property
    def connections_file(self) -> Path:
        return self.path / "connections.json"

    @property
    def database(self) -> Path:
        return self.path / "database.sqlite"

    @property
    def ca_bundle(self) -> Path:
        return self.path / "authorities.pem"

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    @property
    def environments(self) -> Path:
        return self.path / "environments"

    @property
    def swift(self) -> Path:
        return self.path / "swift"

    def create(self) -> None:
        """
        Create the directory with mode 0700, unless it exists; an existing one gets that mode.

        :raises HostError: the directory cannot be created, or its mode cannot be changed.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as error:
            raise HostError(
                f"The data directory {self.path} cannot be used ({error.strerror}); set DLAAS_HOME to another directory"
            ) from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """
        Hold the lock of the directory during the block. The kernel releases it however the process ends.

        :raises HostError: another service holds the lock.
        """
        try:
            descriptor = acquire_file_lock(self.lock_file, timeout=0, mode=0o644)
        except BlockingIOError as error:
            holder = self.lock_file.read_text(encoding="utf-8", errors="replace").strip() or "just starting"
            raise HostError(
                f"Another airflow-dlaas service ({holder}) uses the data directory {self.path}; stop it, or set "
                "DLAAS_HOME to another directory"
            ) from error
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"pid {os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def find_service_pid(self) -> int | None:
        """
        Return the pid in the lock file if there is such a process on this machine, else None.

        The lock itself is not tried: a service that starts at that moment would find it locked.
        """
        try:
            pid = int(self.lock_file.read_text(encoding="utf-8", errors="replace").removeprefix("pid "))
        except (OSError, ValueError):
            return None
        try:
            os.kill(pid, 0)
        except PermissionError:
            return pid  # of another user
        except (OSError, OverflowError):
            return None
        return pid

    def read_credentials(self) -> Credentials | None:
        """
        Read credentials.json; None if it does not exist, before the first start.

        :raises NotConfigured: the file cannot be read, or is damaged.
        """
        from pydantic import TypeAdapter, ValidationError  # here: commands for object stores do not need it

        try:
            return TypeAdapter(Credentials).validate_json(self.credentials_file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NotConfigured(f"{self.credentials_file} cannot be read: {error.strerror}") from error
        except ValidationError:
            # Without the cause: pydantic's error shows the content of the file.
            raise NotConfigured(
                f"{self.credentials_file} is damaged; restore it from a backup, or remove it: the next start creates "
                "new credentials (the connections in Airflow must then be imported again)"
            ) from None

    def load_or_create_credentials(self, user: str, password: str | None) -> Credentials:
        """
        Return the stored credentials with *user* and, if given, *password*; without stored ones, generate them.

        Nothing is written.

        :raises NotConfigured: see `read_credentials`.
        """
        stored = self.read_credentials()
        if stored is None:
            return Credentials(
                user=user,
                password=password or secrets.token_urlsafe(18),
                token_key=secrets.token_hex(32),
                swift_user=SWIFT_USER,
                swift_key=secrets.token_urlsafe(18),
            )
        return replace(stored, user=user, password=password or stored.password)

    def save(self, credentials: Credentials) -> None:
        """Write connections.json and credentials.json, readable by their owner only."""
        # credentials.json last: a console that waits for the first start of a service waits for that file.
        for path, content in (
            (self.connections_file, airflow_connections(credentials)),
            (self.credentials_file, asdict(credentials)),
        ):
            atomic_write_text(path, json.dumps(content, indent=2) + "\n", mode=0o600, fsync=True)


def airflow_connections(credentials: Credentials) -> dict[str, dict[str, str | int]]:
    """
    Return *credentials* in the format of `airflow connections import`: fields by connection id.

    The port is in the URL and in its own field. Without the field, the "Test" button of Airflow 3.3 sends port 0, and
    Airflow then refuses to test with the stored password, because the port differs from the stored one.
    """
    connections: dict[str, dict[str, str | int]] = {
        "dlaas_default": {
            "conn_type": "dlaas",
            "host": credentials.url,
            "port": _port(credentials.url),
            "login": credentials.user,
            "password": credentials.password,
        }
    }
    if credentials.auth_url is not None:
        connections["swift_default"] = {
            "conn_type": "swift",
            "host": credentials.auth_url,
            "port": _port(credentials.auth_url),
            "login": credentials.swift_user,
            "password": credentials.swift_key,
        }
    if credentials.ca_file is not None:
        for connection in connections.values():
            connection["extra"] = json.dumps({"ca_file": credentials.ca_file})
    if credentials.s3_url is not None:
        connections[S3_CONNECTION] = {
            "conn_type": "aws",
            "login": credentials.swift_user,
            "password": credentials.swift_key,
            "extra": json.dumps(_s3_extra(credentials.s3_url, credentials.ca_file)),
        }
    return connections


def _s3_extra(endpoint_url: str, ca_file: str | None) -> dict[str, str]:
    """Return the fields of a connection of the Amazon provider, which calls the CA bundle ``verify``."""
    extra = {"endpoint_url": endpoint_url, "region_name": S3_REGION}
    return extra if ca_file is None else extra | {"verify": ca_file}


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def resolve_connection(data_dir: DataDir, overrides: dict[str, str]) -> ClientSettings:
    """
    Return the URL and the login for a client command: *overrides* from the environment, the rest from *data_dir*.

    If *overrides* has the URL of another service, user and password of *data_dir* are not sent to it.

    :raises NotConfigured: *overrides* are incomplete, and *data_dir* has no credentials for this service.
    """
    missing = [name for name in ("url", "user", "password") if name not in overrides]
    if not missing:
        return ClientSettings(
            overrides["url"].rstrip("/"), overrides["user"], overrides["password"], overrides.get("tls_ca", True)
        )
    stored = data_dir.read_credentials()
    if "url" in overrides and (stored is None or overrides["url"].rstrip("/") != stored.url):
        variables = " and ".join(f"DLAAS_{name.upper()}" for name in missing)
        raise NotConfigured(
            f"The login of the service at DLAAS_URL is unknown: set {variables} too. {data_dir.path} has no "
            "credentials for this URL"
        )
    if stored is None:
        raise NotConfigured(
            "The URL or the login of the service is unknown. For a service on another machine set DLAAS_URL, "
            "DLAAS_USER and DLAAS_PASSWORD; or start one here (airflow-dlaas serve): none has been started in "
            f"{data_dir.path}"
        )
    return ClientSettings(
        stored.url,
        overrides.get("user", stored.user),
        overrides.get("password", stored.password),
        overrides.get("tls_ca") or stored.ca_file or True,
    )
