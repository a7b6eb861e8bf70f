"""What a `definition_location` says: four spellings of a place in this very service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from airflow_dlaas.exceptions import InvalidRequest

FIELD = "model_definition.definition_location"

_PATH = re.compile(
    r"/?v3/ml_assets/experiments/(?P<experiment>[A-Za-z0-9_-]{1,64})"
    r"(?:/versions/(?P<version>[A-Za-z0-9_-]{1,64}))?(?:/content)?/?"
)
_SLASHES = re.compile(r"(?<!:)/{2,}(?=v3/)")
_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def locate(location: str, bases: Iterable[str]) -> tuple[str, str | None]:
    """
    Read *location* as an experiment and a version; None: the newest version.

    Absolute or relative, with or without ``/content``, of a version or of the experiment. An absolute one must lie
    under one of *bases*, the addresses of this service: nothing is ever fetched from elsewhere. Names of the loopback
    are one host, since client and service on one machine often use different ones.

    :raises InvalidRequest: C101; another host, or no such place in this API.
    """
    # A client whose base URL ends with a slash joins the two with a double one.
    location = _SLASHES.sub("/", location)
    try:
        parts = urlsplit(location)
        path = _own_path(parts, bases) if parts.scheme or parts.netloc else parts.path
    except ValueError:
        raise _refused("is no URL") from None
    if path is None:
        raise _refused("points to another host; code is taken from experiments of this service only")
    found = _PATH.fullmatch(path)
    if found is None or parts.query or parts.fragment:
        raise _refused(
            "is no experiment of this service; take entity.experiment_version.url from the reply that created it, "
            "…/v3/ml_assets/experiments/{id}/versions/{id}"
        )
    return found["experiment"], found["version"]


def _own_path(parts: SplitResult, bases: Iterable[str]) -> str | None:
    if parts.scheme not in _PORTS or parts.username is not None:
        return None
    for base in map(urlsplit, bases):
        if _host(parts) == _host(base) and parts.path.startswith(base.path):
            return parts.path[len(base.path) :]
    return None


def _host(parts: SplitResult) -> tuple[str, int | None]:
    name = parts.hostname or ""
    return ("(loopback)" if name in _LOOPBACK else name), parts.port or _PORTS.get(parts.scheme)


def _refused(what: str) -> InvalidRequest:
    return InvalidRequest(f"{FIELD}: {what}", code="C101", target=FIELD)
