"""The types of an ASGI application, and the key under which the plugin finds Airflow's own application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

AIRFLOW_APP_KEY = "airflow_dlaas.airflow"
"""Key of a scope that holds Airflow's own application: a mounted application replaces ``scope["app"]`` by itself."""
