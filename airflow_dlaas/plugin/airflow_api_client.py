"""Airflow's public REST API, asked in this process, as the user who asks us."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request

from airflow_dlaas.plugin.asgi import AIRFLOW_APP_KEY, AsgiApp

BASE_PATH = "/api/v2"

CREDENTIAL_HEADERS = (b"authorization", b"cookie")
"""Headers that say who asks; of the browser's request nothing else goes on."""


class AirflowApiError(Exception):
    """Airflow's refusal, to be passed on as it is."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True)
class AirflowApiClient:
    """
    The API under ``/api/v2``, with one user's eyes.

    It is called without a socket, through all of Airflow's middleware: what it refuses the user, we never see.
    """

    app: AsgiApp
    root_path: str
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)

    @classmethod
    def from_request(cls, request: Request) -> AirflowApiClient:
        """Take the API of the Airflow that *request* came through, and the user who sent it."""
        headers = tuple((name, value) for name, value in request.scope["headers"] if name in CREDENTIAL_HEADERS)
        return cls(request.scope[AIRFLOW_APP_KEY], request.scope.get("app_root_path", ""), headers)

    async def get(self, *path_parts: str, **query: str | int) -> Any:
        """
        Ask for what lies at the path that *path_parts* make, each of them quoted.

        :raises Denied: with Airflow's status and sentence.
        """
        path = "/".join((self.root_path + BASE_PATH, *(quote(step, safe="~") for step in path_parts)))
        status, body = await self._request(path, urlencode(query))
        document = _parse_json(body)
        if status >= 400:
            detail = document.get("detail") if isinstance(document, dict) else None
            raise AirflowApiError(
                status, detail if isinstance(detail, str) else f"Airflow answered with status {status}"
            )
        return document

    async def _request(self, path: str, query: str) -> tuple[int, bytes]:
        scope: MutableMapping[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": self.root_path,
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), (b"accept", b"application/json"), *self.headers],
            "client": ("127.0.0.1", 0),
            "server": ("localhost", 80),
            "state": {},
        }
        status, pieces, told, over = 500, [], False, asyncio.Event()

        async def receive() -> MutableMapping[str, Any]:
            nonlocal told
            if told:
                await over.wait()
                return {"type": "http.disconnect"}
            told = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                pieces.append(message.get("body", b""))

        try:
            await self.app(scope, receive, send)
        finally:
            over.set()
        return status, b"".join(pieces)


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
