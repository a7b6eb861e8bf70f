"""What a `definition_location` says: four spellings of a place in this very service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from airflow_dlaas.exceptions import InvalidRequest

LOCATION_FIELD = "model_definition.definition_location"

_EXPERIMENT_PATH_PATTERN = re.compile(
    r"/?v3/ml_assets/experiments/(?P<experiment>[A-Za-z0-9_-]{1,64})"
    r"(?:/versions/(?P<version>[A-Za-z0-9_-]{1,64}))?(?:/content)?/?"
)
_DOUBLE_SLASHES = re.compile(r"(?<!:)/{2,}(?=v3/)")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def parse_definition_location(location: str, base_urls: Iterable[str]) -> tuple[str, str | None]:
    """
    Read *location* as an experiment and a version; None: the newest version.

    Absolute or relative, with or without ``/content``, of a version or of the experiment. An absolute one must lie
    under one of *base_urls*, the addresses of this service: nothing is ever fetched from elsewhere. Names of the loopback
    are one host, since client and service on one machine often use different ones.

    :raises InvalidRequest: C101; another host, or no such place in this API.
    """
    # A client whose base URL ends with a slash joins the two with a double one.
    location = _DOUBLE_SLASHES.sub("/", location)
    try:
        parts = urlsplit(location)
        path = _path_in_service(parts, base_urls) if parts.scheme or parts.netloc else parts.path
    except ValueError:
        raise _invalid_location("is no URL") from None
    if path is None:
        raise _invalid_location("points to another host; code is taken from experiments of this service only")
    found = _EXPERIMENT_PATH_PATTERN.fullmatch(path)
    if found is None or parts.query or parts.fragment:
        raise _invalid_location(
            "is no experiment of this service; take entity.experiment_version.url from the reply that created it, "
            "…/v3/ml_assets/experiments/{id}/versions/{id}"
        )
    return found["experiment"], found["version"]


def _path_in_service(deps: SplitResult, base_urls: Iterable[str]) -> str | None:
    if deps.scheme not in _DEFAULT_PORTS or deps.username is not None:
        return None
    for base in map(urlsplit, base_urls):
        if _host_and_port(deps) == _host_and_port(base) and deps.path.startswith(base.path):
            return deps.path[len(base.path) :]
    return None


def _host_and_port(deps: SplitResult) -> tuple[str, int | None]:
    name = deps.hostname or ""
    return ("(loopback)" if name in _LOOPBACK else name), deps.port or _DEFAULT_PORTS.get(deps.scheme)


def _invalid_location(reason: str) -> InvalidRequest:
    return InvalidRequest(f"{LOCATION_FIELD}: {reason}", code="C101", target=LOCATION_FIELD)
