"""How the value of a setting is read; each function raises ValueError for what it does not take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_dlaas.service.config.object_store_allowlist import AllowedStores

SHORTEST_LIFE, LONGEST_LIFE = 60, 30 * 24 * 3600
"""Seconds a token may live: with less, clients do nothing but renew it; with more, one that was lost is a danger."""


def path(value: str) -> Path:
    """A file or a folder; ``~`` is the user's home."""
    return Path(value).expanduser().absolute()


def paths(value: str) -> tuple[Path, ...]:
    """Files and folders, by commas."""
    return tuple(path(one.strip()) for one in value.split(",") if one.strip())


def port(value: str) -> int:
    """A port's number."""
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError(value)
    return number


def switch(value: str) -> bool:
    """Yes or no, in the usual spellings."""
    words = {"yes": True, "true": True, "1": True, "on": True, "no": False, "false": False, "0": False, "off": False}
    if value.lower() not in words:
        raise ValueError(value)
    return words[value.lower()]


def word(*words: str) -> Callable[[str], str]:
    """One of *words*."""

    def read(value: str) -> str:
        if value not in words:
            raise ValueError(value)
        return value

    return read


def seconds(value: str) -> float | None:
    """A time, or none."""
    if value == "none":
        return None
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(value)
    return number


def life(value: str) -> timedelta:
    """A token's lifetime, in seconds."""
    number = float(value)
    if not SHORTEST_LIFE <= number <= LONGEST_LIFE:
        raise ValueError(value)
    return timedelta(seconds=number)


def amount(value: str) -> int:
    """A number of bytes, in larger units if that is shorter."""
    units = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
    number, factor = next(
        ((value.removesuffix(unit), size) for unit, size in units.items() if unit in value), (value, 1)
    )
    found = int(number) * factor
    if found <= 0:
        raise ValueError(value)
    return found


def count(value: str) -> int:
    """A number of things, at least one."""
    number = int(value)
    if number <= 0:
        raise ValueError(value)
    return number


def url(value: str) -> str:
    """Where clients reach the service."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise ValueError(value)
    return value.rstrip("/")


BYTES = "a number of bytes, or of KiB, MiB or GiB"
PORT = "a port (0 for any that is free)"

READINGS: dict[str, tuple[Callable[[str], Any], str]] = {
    "home": (path, "a folder"),
    "port": (port, PORT),
    "public_url": (url, "an http:// or https:// URL without credentials"),
    "insecure_listen": (switch, "yes or no"),
    "tls_certificate": (path, "a file"),
    "tls_key": (path, "a file"),
    "tls_ca": (path, "a file"),
    "objectstore": (word("embedded", "off"), "embedded or off"),
    "objectstore_port": (port, PORT),
    "object_stores": (AllowedStores.read, "hosts by commas (swift.example.org, 10.0.0.7:8080, *.example.net), or any"),
    "catalogue": (path, "a file"),
    "run_limit": (seconds, "seconds, or none"),
    "isolation": (word("auto", "bubblewrap", "none"), "auto, bubblewrap or none"),
    "visible": (paths, "files and folders, by commas"),
    "log_limit": (amount, f"{BYTES} (256MiB)"),
    "monitor_limit": (count, "a number above 0"),
    "allow_nested": (switch, "yes or no"),
    "zip_limit": (amount, f"{BYTES} (256MiB)"),
    "unpacked_limit": (amount, f"{BYTES} (2GiB)"),
    "users": (path, "a file"),
    "token_lifetime": (life, f"seconds, from {SHORTEST_LIFE} to {LONGEST_LIFE}"),
}
"""By setting: how it is read, and what it takes, in words. One that is missing here takes any text."""
