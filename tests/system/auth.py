"""The users of the tests' Airflow and their permissions."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

VIEWER, STRANGER = "viewer", "stranger"
"""The first may read everything and change nothing; the second may not even read the DAGs of `CLOSED`."""

CLOSED = "hold_"

USERS = f"admin:admin,{VIEWER}:viewer,{STRANGER}:viewer"


class Guarded(SimpleAuthManager):
    """Airflow's simple auth manager, extended by one user who may not read some DAGs."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **more: Any) -> bool:
        """Refuse the DAGs of `CLOSED` to the user `STRANGER`."""
        closed = details is not None and (details.id or "").startswith(CLOSED)
        if closed and user.username == STRANGER:
            return False
        return super().is_authorized_dag(user=user, details=details, **more)
