from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.service.objectstore.backend_auth import SECRET_HEADER, BackendAuth, filter_factory
from airflow_dlaas.service.objectstore.swift_config import BackendPorts, StoreFolders, backend_config

SECRET = "0123456789abcdef"
KEY = "HTTP_X_BACKEND_SHARED_SECRET"


def answer(environ: dict[str, Any]) -> tuple[str, bytes, list[dict[str, Any]]]:
    """Return status and body of the response, and the requests that the server behind the filter received."""
    statuses: list[str] = []
    passed: list[dict[str, Any]] = []

    def server(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        passed.append(dict(environ))
        start_response("200 OK", [])
        return [b"content"]

    app = filter_factory({}, secret=SECRET, __name__="backend_auth")(server)
    body = b"".join(app(environ, lambda status, _headers: statuses.append(status)))
    return statuses[0], body, passed


def test_request_with_the_secret_reaches_the_server_without_it() -> None:
    environ = {"PATH_INFO": "/d1/0/a", KEY: SECRET}
    assert answer(environ) == ("200 OK", b"content", [{"PATH_INFO": "/d1/0/a"}])


@pytest.mark.parametrize("sent", [None, "", "x", SECRET[:-1], SECRET + "0", SECRET.upper(), f"{SECRET},{SECRET}", "é"])
def test_request_without_the_exact_secret_is_refused(sent: str | None) -> None:
    environ = {"PATH_INFO": "/healthcheck"} | ({} if sent is None else {KEY: sent})
    status, body, passed = answer(environ)
    assert (status, passed) == ("403 Forbidden", [])
    assert SECRET.encode() not in body


def test_empty_secret_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        BackendAuth(lambda _environ, _start: [], "")


def test_header_has_the_prefix_that_the_gatekeeper_removes() -> None:
    assert SECRET_HEADER.lower().startswith("x-backend")


@pytest.mark.parametrize("kind", BackendPorts._fields)
def test_filter_is_first_in_the_pipeline_of_each_server(kind: str) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(backend_config(kind, StoreFolders(Path("/store")), SECRET))
    first, *others, server = parser["pipeline:main"]["pipeline"].split()
    assert (first, server) == ("backend_auth", f"{kind}-server")
    assert all(f"filter:{name}" in parser for name in others)
    assert parser["filter:backend_auth"]["secret"] == SECRET
