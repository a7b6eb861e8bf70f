"""
The home folder: one service's, locked while it runs, readable by its owner only.

::

    lock               held by the service that runs here; its content says which one
    credentials.json   who may get in, and the keys the service keeps to itself (0600)
    connections.json   for `airflow connections import` (0600)
    database.sqlite    what the service remembers
    authorities.pem    whose certificates trainings trust, where DLAAS_TLS_CA names some
    blobs/ jobs/ environments/ swift/
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.config.settings import ClientSettings
from airflow_dlaas.service.job_files import write_text_atomic

SWIFT_USER = "dlaas:trainer"
"""The embedded Swift's one user, as `ACCOUNT:user`."""


@dataclass(frozen=True)
class Credentials:
    """What credentials.json holds. The URLs are those of the last start."""

    user: str
    password: str = field(repr=False)
    token_key: str = field(repr=False)
    """What the API signs its tokens with."""
    swift_user: str
    swift_key: str = field(repr=False)
    url: str = ""
    auth_url: str | None = None
    """Where the embedded Swift hands out tokens; None without one."""
    ca_file: str | None = None
    """The authorities that vouch for both URLs' certificate, if not everybody knows them."""


@dataclass(frozen=True)
class DataDir:
    """The paths of one home folder, and what is kept in its files."""

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
        Make the folder, for its owner only.

        :raises HostError: it can't be made or written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as error:
            raise HostError(
                f"The home folder {self.path} can't be used ({error.strerror}); set DLAAS_HOME to one that can"
            ) from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """
        Keep the folder for this process, however that ends.

        :raises HostError: another service runs in it.
        """
        with self.lock_file.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise HostError(
                    f"Another airflow-dlaas service ({file.read().strip() or 'just starting'}) runs in {self.path}; "
                    "stop it, or set DLAAS_HOME to another folder"
                ) from error
            file.truncate(0)
            file.write(f"pid {os.getpid()}\n")
            file.flush()
            yield

    def read_credentials(self) -> Credentials | None:
        """
        Read credentials.json; None before the first start.

        :raises NotConfigured: it can't be read, or is no credentials file.
        """
        try:
            return TypeAdapter(Credentials).validate_json(self.credentials_file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NotConfigured(f"{self.credentials_file} can't be read: {error.strerror}") from error
        except ValidationError:
            # Without a cause: pydantic's would show the file's content.
            raise NotConfigured(
                f"{self.credentials_file} is damaged; bring it back from a backup, or remove it to have new "
                "credentials made at the next start (the connections in Airflow must then be imported again)"
            ) from None

    def load_or_create_credentials(self, user: str, password: str | None) -> Credentials:
        """Make up what the service has no credentials for yet; *password* given wins over a kept one."""
        kept = self.read_credentials()
        if kept is None:
            return Credentials(
                user=user,
                password=password or secrets.token_urlsafe(18),
                token_key=secrets.token_hex(32),
                swift_user=SWIFT_USER,
                swift_key=secrets.token_urlsafe(18),
            )
        return replace(kept, user=user, password=password or kept.password)

    def save(self, credentials: Credentials) -> None:
        """Write both files for whoever has to get in."""
        for path, content in (
            (self.credentials_file, asdict(credentials)),
            (self.connections_file, airflow_connections(credentials)),
        ):
            write_text_atomic(path, json.dumps(content, indent=2) + "\n", mode=0o600)


def airflow_connections(credentials: Credentials) -> dict[str, dict[str, str]]:
    """Put *read_credentials* as Airflow imports connections: by id, with each connection's own fields."""
    found = {
        "dlaas_default": {
            "conn_type": "dlaas",
            "host": credentials.url,
            "login": credentials.user,
            "password": credentials.password,
        }
    }
    if credentials.auth_url is not None:
        found["swift_default"] = {
            "conn_type": "swift",
            "host": credentials.auth_url,
            "login": credentials.swift_user,
            "password": credentials.swift_key,
        }
    if credentials.ca_file is not None:
        for one in found.values():
            one["extra"] = json.dumps({"ca_file": credentials.ca_file})
    return found


def resolve_connection(data_dir: DataDir, overrides: dict[str, str]) -> ClientSettings:
    """
    Find out how a client command gets in: what was *overrides* in the environment, and for the rest the home folder.

    Given a foreign ``DLAAS_URL``, the user and password of the home folder are not tried on it.

    :raises NotConfigured: nobody said, and no service was ever started in this home folder.
    """
    if {"url", "user", "password"} <= overrides.keys():
        return ClientSettings(
            overrides["url"].rstrip("/"), overrides["user"], overrides["password"], overrides.get("tls_ca", True)
        )
    kept = data_dir.read_credentials()
    if kept is None or ("url" in overrides and overrides["url"].rstrip("/") != kept.url):
        raise NotConfigured(
            f"Who to ask, and as whom? Set DLAAS_URL, DLAAS_USER and DLAAS_PASSWORD, or start a service here first "
            f"(airflow-dlaas serve keeps its credentials in {data_dir.credentials_file})"
        )
    return ClientSettings(
        kept.url,
        overrides.get("user", kept.user),
        overrides.get("password", kept.password),
        overrides.get("tls_ca") or kept.ca_file or True,
    )
