"""The part of an Airflow connection that the hooks read."""

from __future__ import annotations

from typing import Any, Protocol


class AirflowConnection(Protocol):
    """The attributes of Airflow's connection that the hooks read."""

    conn_id: str
    conn_type: str | None
    host: str | None
    login: str | None
    password: str | None
    port: int | None
    schema: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extra fields as a dict."""
