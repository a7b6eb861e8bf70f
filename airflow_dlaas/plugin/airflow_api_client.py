"""A client of Airflow's public REST API, called in this process with the credentials of the user."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request

from airflow_dlaas.plugin.asgi_types import AIRFLOW_APP_KEY, AsgiApp, Message, Scope

BASE_PATH = "/api/v2"

CREDENTIAL_HEADERS = (b"authorization", b"cookie")
"""Headers that identify the user; no other header of the browser's request is passed on."""


class AirflowApiError(Exception):
    """A request that Airflow's API refused; the page receives the same status and detail."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True)
class AirflowApiClient:
    """
    The API under ``/api/v2``, with the permissions of one user.

    Requests go through all of Airflow's middleware, without a socket: the plugin never receives data that Airflow
    refuses to the user.
    """

    app: AsgiApp
    root_path: str
    user_id: str
    """Airflow's id of the user, for caches that hold data of one user only."""
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)

    @classmethod
    def from_request(cls, request: Request, user_id: str) -> AirflowApiClient:
        """Make a client for the Airflow that passed *request* to the plugin, with the credentials in *request*."""
        headers = tuple((name, value) for name, value in request.scope["headers"] if name in CREDENTIAL_HEADERS)
        return cls(request.scope[AIRFLOW_APP_KEY], request.scope.get("app_root_path", ""), user_id, headers)

    async def get(self, *path_parts: str, **query: str | int) -> Any:
        """
        Send a GET request and return the parsed JSON; each of *path_parts* is quoted.

        :raises AirflowApiError: with Airflow's status and detail.
        """
        path = "/".join((self.root_path + BASE_PATH, *(quote(part, safe="~") for part in path_parts)))
        status, body = await self._request(path, urlencode(query))
        document = _parse_json(body)
        if status >= 400:
            detail = document.get("detail") if isinstance(document, dict) else None
            raise AirflowApiError(
                status, detail if isinstance(detail, str) else f"Airflow answered with status {status}"
            )
        return document

    async def _request(self, path: str, query: str) -> tuple[int, bytes]:
        scope: Scope = {
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
        status = 500
        chunks: list[bytes] = []
        is_request_sent = False
        response_finished = asyncio.Event()

        async def receive() -> Message:
            nonlocal is_request_sent
            if is_request_sent:
                await response_finished.wait()
                return {"type": "http.disconnect"}
            is_request_sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        try:
            await self.app(scope, receive, send)
        finally:
            response_finished.set()
        return status, b"".join(chunks)


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
