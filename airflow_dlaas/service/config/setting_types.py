"""Parsers for the values of settings. Each raises ValueError for a value that it does not accept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_dlaas.contract.byte_size import ACCEPTED_SIZES, parse_bytes
from airflow_dlaas.service.config.client_settings import parse_path
from airflow_dlaas.service.image_allowlist import ImageAllowlist
from airflow_dlaas.service.mount_roots import parse_mount_roots
from airflow_dlaas.service.object_store_allowlist import ObjectStoreAllowlist
from airflow_dlaas.service.process.cgroup_discovery import AUTO, OFF

MIN_TOKEN_LIFETIME, MAX_TOKEN_LIFETIME = 60, 30 * 24 * 3600
"""
Seconds that a token may be valid. With a shorter lifetime, clients would renew tokens all the time; with a longer one,
a leaked token would be a danger for too long.
"""


def parse_paths(value: str) -> tuple[Path, ...]:
    """Parse paths separated by commas; see `parse_path`."""
    return tuple(parse_path(one.strip()) for one in value.split(",") if one.strip())


def parse_port(value: str) -> int:
    """Parse a port number; 0 is accepted."""
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError(value)
    return number


def parse_bool(value: str) -> bool:
    """Parse yes or no, in the usual spellings and in any case."""
    words = {"yes": True, "true": True, "1": True, "on": True, "no": False, "false": False, "0": False, "off": False}
    if value.lower() not in words:
        raise ValueError(value)
    return words[value.lower()]


def choice_parser(*choices: str) -> Callable[[str], str]:
    """Return a parser that accepts exactly *choices*."""

    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(value)
        return value

    return parse


def parse_seconds(value: str) -> float | None:
    """Parse a number of seconds above 0, or ``none``."""
    if value == "none":
        return None
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(value)
    return number


def parse_limit(value: str) -> float:
    """Parse a number of seconds, 0 included."""
    number = float(value)
    if not 0 <= number < float("inf"):
        raise ValueError(value)
    return number


def parse_number(value: str) -> int:
    """Parse a whole number, 0 included."""
    number = int(value)
    if number < 0:
        raise ValueError(value)
    return number


def parse_lifetime(value: str) -> timedelta:
    """Parse the lifetime of a token, in seconds."""
    number = float(value)
    if not MIN_TOKEN_LIFETIME <= number <= MAX_TOKEN_LIFETIME:
        raise ValueError(value)
    return timedelta(seconds=number)


def parse_size(value: str) -> int:
    """Parse a number of bytes, with an optional unit KiB, MiB or GiB."""
    units = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
    number, factor = next(
        ((value.removesuffix(unit), size) for unit, size in units.items() if unit in value), (value, 1)
    )
    found = int(number) * factor
    if found <= 0:
        raise ValueError(value)
    return found


def parse_cpus(value: str) -> float | str | None:
    """Parse a number of CPUs above 0, ``auto``, or ``none``."""
    return value if value == "auto" else parse_seconds(value)


def parse_memory(value: str) -> int | str | None:
    """Parse a number of bytes with an optional unit, ``auto``, or ``none``."""
    if value in ("auto", "none"):
        return value if value == "auto" else None
    return parse_bytes(value)


def parse_cache(value: str) -> Path | str | None:
    """Parse ``auto``, ``off`` (None), or a path."""
    if value in ("auto", "off"):
        return value if value == "auto" else None
    return parse_path(value)


def parse_cgroups(value: str) -> str:
    """Parse ``auto``, ``off``, or an absolute path."""
    if value not in (AUTO, OFF) and not value.startswith("/"):
        raise ValueError(value)
    return value


def parse_count(value: str) -> int:
    """Parse a whole number above 0."""
    number = int(value)
    if number <= 0:
        raise ValueError(value)
    return number


def parse_url(value: str) -> str:
    """Parse an HTTP URL without credentials and query; a slash at the end is removed."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise ValueError(value)
    return value.rstrip("/")


def parse_urls(value: str) -> tuple[str, ...]:
    """Parse URLs separated by commas; see `parse_url`."""
    return tuple(parse_url(one.strip()) for one in value.split(",") if one.strip())


BYTES_HELP = "a number of bytes, or of KiB, MiB or GiB"
URL_HELP = "an http:// or https:// URL without credentials"
PORT_HELP = "a port (0 for any that is free)"

SETTING_PARSERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "home": (parse_path, "a folder"),
    "port": (parse_port, PORT_HELP),
    "public_url": (parse_url, URL_HELP),
    "insecure_listen": (parse_bool, "yes or no"),
    "tls_certificate": (parse_path, "a file"),
    "tls_key": (parse_path, "a file"),
    "tls_ca": (parse_path, "a file"),
    "objectstore": (choice_parser("embedded", "off"), "embedded or off"),
    "objectstore_port": (parse_port, PORT_HELP),
    "object_stores": (
        ObjectStoreAllowlist.parse,
        "hosts by commas (swift.example.org, 10.0.0.7:8080, *.example.net), or any",
    ),
    "cpus": (parse_cpus, "a number of CPUs, auto or none"),
    "memory": (parse_memory, f"{ACCEPTED_SIZES}; auto or none"),
    "cgroups": (parse_cgroups, "auto, off, or the path of a delegated control group"),
    "catalogue": (parse_path, "a file"),
    "images": (
        ImageAllowlist.parse,
        "patterns of image references by commas (registry.example.org/team/*:*, site/torch@sha256:*)",
    ),
    "checkpoints_kept": (parse_number, "a number; 0 stores no checkpoint"),
    "grace_limit": (parse_limit, "seconds"),
    "run_limit": (parse_seconds, "seconds, or none"),
    "isolation": (choice_parser("auto", "bubblewrap", "none"), "auto, bubblewrap or none"),
    "secrets_without_isolation": (parse_bool, "yes or no"),
    "visible": (parse_paths, "files and folders, by commas"),
    "data_cache": (parse_cache, "auto, off, or a folder"),
    "data_cache_limit": (parse_size, f"{BYTES_HELP} (500GiB)"),
    "mounts": (
        parse_mount_roots,
        "absolute paths of folders by commas, except /, with :rw at the end of a writable one",
    ),
    "results_store": (parse_path, "a file"),
    "log_limit": (parse_size, f"{BYTES_HELP} (256MiB)"),
    "monitor_limit": (parse_count, "a number above 0"),
    "allow_nested": (parse_bool, "yes or no"),
    "zip_limit": (parse_size, f"{BYTES_HELP} (256MiB)"),
    "unpacked_limit": (parse_size, f"{BYTES_HELP} (2GiB)"),
    "users": (parse_path, "a file"),
    "package_index": (parse_url, URL_HELP),
    "package_extra_indexes": (parse_urls, f"{URL_HELP}, or several by commas"),
    "package_netrc": (parse_path, "a file"),
    "wheels": (parse_path, "a folder"),
    "packages_offline": (parse_bool, "yes or no"),
    "packages_max_age": (parse_seconds, "seconds, or none"),
    "packages_limit": (parse_size, f"{BYTES_HELP} (20GiB)"),
    "token_lifetime": (parse_lifetime, f"seconds, from {MIN_TOKEN_LIFETIME} to {MAX_TOKEN_LIFETIME}"),
}
"""By setting: its parser, and the accepted values as a text for error messages. Settings not listed accept any text."""
