"""Who may see what in the Airflow of the tests."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

VIEWER, STRANGER = "viewer", "stranger"
"""One may read everything and change nothing; the other may not even read the DAGs of `CLOSED`."""

CLOSED = "hold_"

USERS = f"admin:admin,{VIEWER}:viewer,{STRANGER}:viewer"


class Guarded(SimpleAuthManager):
    """Airflow's simple auth manager, whose roles know no single DAGs, and one user who may not read some."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **more: Any) -> bool:
        """Let the stranger read no DAG of `CLOSED`."""
        closed = details is not None and (details.id or "").startswith(CLOSED)
        if closed and user.username == STRANGER:
            return False
        return super().is_authorized_dag(user=user, details=details, **more)
