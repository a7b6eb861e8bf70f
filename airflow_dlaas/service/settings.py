"""
What an operator of the service can choose: ``DLAAS_*``, read here and nowhere else.

The console's options are the same settings under shorter names: ``serve --port 9000`` says ``DLAAS_PORT=9000``.
A value that is not acceptable is refused with its variable's name and what it takes, before anything is started; so
is a ``DLAAS_*`` variable that is none.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from airflow_dlaas.errors import NotConfigured

PREFIX = "DLAAS_"


@dataclass(frozen=True)
class Settings:
    """The service's settings; each is the variable of its name in capitals, with ``DLAAS_`` before it."""

    home: Path = field(default_factory=lambda: Path("~/.airflow-dlaas").expanduser())
    """Folder of everything the service keeps: database, zips, jobs, environments, the embedded Swift. Another folder is
    another service."""

    host: str = "127.0.0.1"
    """Address the API listens at. Anything but loopback also needs `insecure_listen`."""

    port: int = 8480
    """Port of the API; 0 takes any that is free, after a restart the one of the last time."""

    public_url: str | None = None
    """URL clients reach the API at, where it is not ``http://HOST:PORT`` (behind a proxy, say): asset URLs carry it."""

    insecure_listen: bool = False
    """Whether to listen beyond loopback without TLS: passwords and tokens then cross the network in the clear."""

    objectstore: Literal["embedded", "off"] = "embedded"
    """Whether the service brings its own Swift. Definitions may name any other Swift in both cases."""

    objectstore_port: int = 8481
    """Port of the embedded Swift; 0 as for `port`. Connections hold it, so it had better stay the same."""

    database: str | None = field(default=None, repr=False)
    """SQLAlchemy URL of the database; by default SQLite in the home folder, which is enough for thousands of runs."""

    gpus: str = "auto"
    """The GPU slots: ``auto`` asks nvidia-smi (and takes ``virtual:4`` on a machine without GPUs), ``virtual:N``, or
    GPUs by index or UUID, separated by commas."""

    catalogue: Path | None = None
    """The site's own catalogue of runtimes (TOML), read after the built-in one."""

    run_limit: float | None = None
    """Seconds a training's command may take; by default as long as it wants, since only its author knows."""

    allow_nested: bool = False
    """Whether a zip of code may hold folders; the page says it may not."""

    zip_limit: int = 512 * 1024**2
    """Bytes of a zip of code at most. Code is small; data belongs in containers."""

    unpacked_limit: int = 2 * 1024**3
    """Bytes that a zip may unpack to: what keeps a zip bomb off the disk."""

    user: str = "dlaas"
    """Whom the service lets in. It has one user; all trainings and experiments are theirs."""

    password: str | None = field(default=None, repr=False)
    """That user's password; by default one is made up at the first start and kept in the home folder."""


@dataclass(frozen=True)
class Access:
    """How the console's client commands get into a service."""

    url: str
    user: str
    password: str = field(repr=False)


CLIENT_ONLY = ("url",)
"""Variables that only the console's client commands read, besides ``user`` and ``password``."""


def read_settings(environment: Mapping[str, str], options: Mapping[str, str | None] | None = None) -> Settings:
    """
    Read the settings from *environment*; what *options* name (``port``, say) wins over it. An empty value is none.

    :raises NotConfigured: naming the variable, and what it takes.
    """
    given = _given(environment)
    given |= {name: value for name, value in (options or {}).items() if value}
    values = {name: _read(name, value) for name, value in given.items() if name not in CLIENT_ONLY}
    settings = Settings(**values)
    if not settings.insecure_listen and not is_loopback(settings.host):
        raise NotConfigured(
            f"DLAAS_HOST is {settings.host}, which others can reach, and the service speaks no TLS: passwords would "
            "cross the network in the clear. Put a TLS proxy before a service on 127.0.0.1, or say --insecure-listen "
            "(DLAAS_INSECURE_LISTEN=yes) where the network is trusted"
        )
    if settings.objectstore == "embedded" and settings.port == settings.objectstore_port != 0:
        raise NotConfigured(f"DLAAS_PORT and DLAAS_OBJECTSTORE_PORT are both {settings.port}; they take two ports")
    return settings


def read_client(environment: Mapping[str, str], home: str | None = None) -> tuple[Path, dict[str, str]]:
    """
    Read what the client commands need: the home folder to find credentials in, and what was said instead of them.

    The second is a dict with any of ``url``, ``user`` and ``password``.
    """
    given = _given(environment)
    folder = home or given.get("home")
    path = cast("Path", _read("home", folder)) if folder else Settings().home
    return path, {name: given[name] for name in ("url", "user", "password") if name in given}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach *host*."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    known = {one.name for one in fields(Settings)} | set(CLIENT_ONLY)
    given: dict[str, str] = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX) or not value:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in known or variable != variable.upper():
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""
            raise NotConfigured(f"{variable} is no setting of airflow-dlaas{hint}")
        given[name] = value
    return given


def _read(name: str, value: str) -> Any:
    reader, accepted = _READERS.get(name, (str, "text"))
    try:
        return reader(value if name == "password" else value.strip())
    except ValueError:
        raise NotConfigured(f"{PREFIX}{name.upper()} takes {accepted}, not {value!r}") from None


def _path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _port(value: str) -> int:
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError(value)
    return number


def _switch(value: str) -> bool:
    words = {"yes": True, "true": True, "1": True, "on": True, "no": False, "false": False, "0": False, "off": False}
    if value.lower() not in words:
        raise ValueError(value)
    return words[value.lower()]


def _word(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(value)
        return value

    return read


def _seconds(value: str) -> float | None:
    if value == "none":
        return None
    seconds = float(value)
    if not 0 < seconds < float("inf"):
        raise ValueError(value)
    return seconds


def _bytes(value: str) -> int:
    units = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
    number, factor = next(
        ((value.removesuffix(unit), size) for unit, size in units.items() if unit in value), (value, 1)
    )
    amount = int(number) * factor
    if amount <= 0:
        raise ValueError(value)
    return amount


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise ValueError(value)
    return value.rstrip("/")


_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "home": (_path, "a folder"),
    "port": (_port, "a port (0 for any that is free)"),
    "public_url": (_url, "an http:// or https:// URL without credentials"),
    "insecure_listen": (_switch, "yes or no"),
    "objectstore": (_word("embedded", "off"), "embedded or off"),
    "objectstore_port": (_port, "a port (0 for any that is free)"),
    "catalogue": (_path, "a file"),
    "run_limit": (_seconds, "seconds, or none"),
    "allow_nested": (_switch, "yes or no"),
    "zip_limit": (_bytes, "a number of bytes, or of KiB, MiB or GiB (256MiB)"),
    "unpacked_limit": (_bytes, "a number of bytes, or of KiB, MiB or GiB (2GiB)"),
}
