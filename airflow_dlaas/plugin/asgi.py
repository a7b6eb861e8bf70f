"""The ASGI application that Airflow's API server mounts."""

from __future__ import annotations

from functools import cached_property

from airflow_dlaas.plugin.asgi_types import AIRFLOW_APP_KEY, AsgiApp, Receive, Scope, Send


class LazyApp:
    """
    An ASGI application that is built at its first request and adds Airflow's own application to each scope.

    Every Airflow process imports the plugin, and only the API server serves it: FastAPI is imported and the routes are
    built there only.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, with Airflow's application in the scope under `AIRFLOW_APP_KEY`."""
        await self._app({**scope, AIRFLOW_APP_KEY: scope.get("app")}, receive, send)

    def __repr__(self) -> str:
        return f"LazyApp({self.prefix!r})"

    @cached_property
    def _app(self) -> AsgiApp:
        from airflow_dlaas.plugin.app import create_app

        return create_app()
