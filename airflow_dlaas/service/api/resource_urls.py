"""URLs of experiments in this service, as a definition's `definition_location` has them, in four spellings."""

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
    Return the experiment id and the version id in *location*; a version of None means the newest version.

    The location may be absolute or relative, with or without ``/content``, of a version or of the experiment. An
    absolute one must begin with one of *base_urls*, the URLs of this service: code is never loaded from another host.
    All names of the loopback count as one host: client and service on one machine often use different ones.

    :raises InvalidRequest: C101: another host, or no path of an experiment.
    """
    # A client whose base URL ends with a slash joins base and path with a double slash.
    location = _DOUBLE_SLASHES.sub("/", location)
    try:
        parts = urlsplit(location)
        path = _path_in_service(parts, base_urls) if parts.scheme or parts.netloc else parts.path
    except ValueError:
        raise _invalid_location("is no URL") from None
    if path is None:
        raise _invalid_location("is a URL of another host; code must be an experiment of this service")
    found = _EXPERIMENT_PATH_PATTERN.fullmatch(path)
    if found is None or parts.query or parts.fragment:
        raise _invalid_location(
            "is no URL of an experiment of this service; use entity.experiment_version.url of the response that "
            "created the version, …/v3/ml_assets/experiments/{id}/versions/{id}"
        )
    return found["experiment"], found["version"]


def _path_in_service(url: SplitResult, base_urls: Iterable[str]) -> str | None:
    if url.scheme not in _DEFAULT_PORTS or url.username is not None:
        return None
    for base in map(urlsplit, base_urls):
        if _host_and_port(url) == _host_and_port(base) and url.path.startswith(base.path):
            return url.path[len(base.path) :]
    return None


def _host_and_port(url: SplitResult) -> tuple[str, int | None]:
    name = url.hostname or ""
    return ("(loopback)" if name in _LOOPBACK else name), url.port or _DEFAULT_PORTS.get(url.scheme)


def _invalid_location(reason: str) -> InvalidRequest:
    return InvalidRequest(f"{LOCATION_FIELD}: {reason}", code="C101", target=LOCATION_FIELD)
