"""How a store is reached over HTTP, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class HttpOptions:
    """Timeouts, trusted certificates, and the servers that may be called."""

    verify: bool | str
    """Whether certificates are checked, or the path of the authorities to trust."""
    connect_timeout: float
    """Seconds to reach a server."""
    read_timeout: float
    """Seconds that a server may be silent."""
    require_allowed: Callable[[str], None] | None = None
    """Raises `StoreNotAllowed` for a storage URL (the one that a login returns) that must not be called."""
