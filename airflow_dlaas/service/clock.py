"""The clock of the service's components. A component takes it as a parameter, so that a test can pass its own."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_now() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(timezone.utc)
