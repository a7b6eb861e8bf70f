"""Where Airflow's API server lets the plugin in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

AIRFLOW_APP_KEY = "airflow_dlaas.airflow"
"""Key of a scope under which Airflow's own application is kept: once a mounted one is called, it is forgotten."""


class LazyApp:
    """
    An ASGI application that is made when it is first asked, and keeps who called it.

    Every Airflow process imports the plugin, one serves it: FastAPI is loaded and routes are made there only.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with Airflow's application at hand."""
        await self._app({**scope, AIRFLOW_APP_KEY: scope.get("app")}, receive, send)

    def __repr__(self) -> str:
        return f"Door({self.prefix!r})"

    @cached_property
    def _app(self) -> AsgiApp:
        from airflow_dlaas.plugin.app import create_app

        return create_app()
