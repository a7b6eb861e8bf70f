"""The token of a login, and the time from which a new one is needed."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field

from airflow_dlaas.exceptions import ProtocolError

TOKEN_RENEWAL_MARGIN = 30 * 60
"""Seconds before its end at which a token is renewed, so that no upload that begins with it lasts longer than it."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """
    A token, and the time from which a new one is requested.

    The time is computed with our clock, from the receipt of the token and its lifetime, so a service whose clock
    differs from ours does no harm. A token with a lifetime of less than an hour is renewed after half of it.
    """

    value: str = field(repr=False)
    renew_at: float | None
    """Seconds since the epoch; None if the token has no lifetime: it is used until the service refuses it."""

    @classmethod
    def parse(cls, value: str, now: float) -> BearerToken:
        """
        Read a token that was received at *now*. Its signature is not verified: only the service can do that.

        :raises ProtocolError: an HTTP header cannot carry *value*.
        """
        if not (value and value.isascii() and value.isprintable()):
            raise ProtocolError("The service's token has characters that an HTTP header cannot carry")
        claims = _jwt_claims(value)
        expires = claims.get("exp")
        if expires is None:
            return cls(value, None)
        lifetime = expires - claims.get("iat", now)
        return cls(value, now + max(lifetime - TOKEN_RENEWAL_MARGIN, lifetime / 2) if lifetime > 0 else None)

    def is_fresh(self, now: float) -> bool:
        """Whether a request at *now* can use it."""
        return self.renew_at is None or now < self.renew_at


def _jwt_claims(token: str) -> dict[str, float]:
    """Return the claims ``exp`` and ``iat`` of a JWT, if they are numbers; empty if *token* is not a JWT."""
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    if not isinstance(claims, dict):
        return {}
    return {name: claims[name] for name in ("exp", "iat") if isinstance(claims.get(name), (int, float))}
