"""The credentials of an object store, as they are found for a connection. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from airflow_dlaas.contract.store_connections import StoreConnection


@dataclass(frozen=True)
class FoundCredentials:
    """The address and the credentials of a store, as valid now."""

    connection: StoreConnection
    expires: datetime | None = None
    """When temporary credentials end; None if they do not, or if that is unknown."""
    renew: Callable[[], StoreConnection] | None = field(default=None, repr=False)
    """Returns the connection with credentials that are valid then, for temporary ones; sends a request if necessary."""
    is_temporary: bool = False
    """Whether the credentials end."""

    def describe_end(self, now: datetime) -> str | None:
        """Return how long temporary credentials are valid, in words; None for others."""
        if not self.is_temporary:
            return None
        if self.expires is None:
            return "for a time that is not known"
        minutes = max(0, int((self.expires - now).total_seconds() // 60))
        hours, rest = divmod(minutes, 60)
        length = f"{hours} h {rest} min" if hours else f"{rest} min"
        return f"for {length}, until {self.expires.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


class StoreFields(Protocol):
    """The fields of a connection to a store of one kind. Hashable; its repr contains no secret."""

    @property
    def user(self) -> str:
        """What the credentials belong to, in words, without a secret."""

    def find_credentials(self) -> FoundCredentials:
        """
        Find the credentials that are valid now. It may block: a role or a machine's own identity needs a request.

        :raises NotConfigured: there are none, or a field of the connection is wrong.
        :raises StoreError: the service that issues them refuses, or does not respond.
        """
