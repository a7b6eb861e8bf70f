"""Double slashes in paths. Clients send them if their base URL ends with a slash."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile("/{2,}")
_RAW_SLASHES = re.compile(b"/{2,}")


class SingleSlashMiddleware:
    """Replaces runs of slashes in the path of a request by one slash. No path of the API contains such a run."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application with the normalized path."""
        if scope["type"] in {"http", "websocket"} and "//" in scope["path"]:
            scope = {**scope, "path": _SLASHES.sub("/", scope["path"])}
            if raw := scope.get("raw_path"):
                scope["raw_path"] = _RAW_SLASHES.sub(b"/", raw)
        await self._app(scope, receive, send)
