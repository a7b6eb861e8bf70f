"""Who asks: a password for a token, and a token for everything else."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import jwt

from airflow_dlaas.errors import NotConfigured, RateLimited, Unauthenticated

LIFETIME = timedelta(hours=12)
"""How long a token is good for. Clients renew when fewer than 30 minutes are left [client]."""

ISSUER = AUDIENCE = "airflow-dlaas"
ALGORITHM = "HS256"
KEY_BYTES = 32
"""The least a key may have: what HS256 itself asks for (RFC 7518, section 3.2)."""

ATTEMPTS = 10
"""Failures in a row, for one login from one address, after which it has to wait."""
PENALTY = timedelta(seconds=30)
"""How long it has to wait, counted from the last failure that was looked at."""
REMEMBERED = 10_000
"""How many failing pairs of login and address are remembered at most."""


class Identity:
    """
    Gives tokens for passwords, and names for tokens. Thread-safe.

    *users* maps names to passwords, or says itself whether a name and a password belong together. A token says who and
    until when; it needs no memory here, so any process with the same *key* knows it. It ends with its user: who is
    no longer among *users* is refused, token or not.
    """

    def __init__(
        self,
        users: Mapping[str, str] | Callable[[str, str], bool],
        key: bytes,
        *,
        clock: Callable[[], datetime],
        lifetime: timedelta = LIFETIME,
    ) -> None:
        if len(key) < KEY_BYTES:
            raise NotConfigured(f"The key that signs tokens must have {KEY_BYTES} bytes or more")
        self._users = users
        self._key = key
        self._clock = clock
        self._lifetime = lifetime
        self._failures: dict[tuple[str, str], tuple[int, datetime]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Identity(lifetime={self._lifetime})"

    def log_in(self, authorization: str | None, address: str) -> str:
        """
        Give a token for the HTTP Basic credentials of somebody at *address*.

        :raises Unauthenticated: they are missing or wrong.
        :raises RateLimited: they were wrong too often.
        """
        login, password = _basic(authorization)
        self._admit(login, address)
        if not self._known(login, password):
            self._note_failure(login, address)
            raise Unauthenticated("The user or the password is wrong", target="Authorization")
        with self._lock:
            self._failures.pop((login, address), None)
        return self._issue(login)

    def refresh(self, token: str) -> str:
        """
        Give a new token for one that is still good.

        :raises Unauthenticated: it is not; log in again.
        """
        return self._issue(self._read(token))

    def user(self, authorization: str | None) -> str:
        """
        Tell who sent this `Authorization` header. The scheme is compared without case: the page spells it BEARER.

        :raises Unauthenticated: it holds no token, a forged or an expired one; the code says which.
        """
        if not authorization or not authorization.strip():
            raise _missing("Bearer <token>")
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("The Authorization header must read: Bearer <token>", target="Authorization")
        return self._read(token.strip())

    def _issue(self, login: str) -> str:
        now = self._clock()
        claims = {
            "sub": login,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": int(now.timestamp()),
            "exp": int((now + self._lifetime).timestamp()),
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def _read(self, token: str) -> str:
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                # Times are compared below, with the clock that was handed in.
                options={"require": ["sub", "exp", "aud", "iss"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated("The token is none of ours", target="Authorization") from error
        until, login = claims["exp"], claims["sub"]
        if not isinstance(until, (int, float)) or self._clock().timestamp() >= until:
            raise Unauthenticated(
                "The token has expired: get a new one from /v3/identity/token",
                code="expired_authorization_token",
                target="Authorization",
            )
        if isinstance(self._users, Mapping) and login not in self._users:
            raise Unauthenticated("The token's user is no longer known", target="Authorization")
        return str(login)

    def _known(self, login: str, password: str) -> bool:
        if not isinstance(self._users, Mapping):
            return self._users(login, password)
        expected = self._users.get(login)
        # An unknown user costs the same comparison as a wrong password.
        same = hmac.compare_digest(password.encode(), (expected or "").encode())
        return same and bool(expected)

    def _admit(self, login: str, address: str) -> None:
        with self._lock:
            count, last = self._failures.get((login, address), (0, None))
        if last is None or count < ATTEMPTS:
            return
        wait = (last + PENALTY - self._clock()).total_seconds()
        if wait > 0:
            raise RateLimited("Too many wrong passwords; wait before the next try", retry_after=math.ceil(wait))

    def _note_failure(self, login: str, address: str) -> None:
        now = self._clock()
        with self._lock:
            # Where too many are remembered, the oldest are let go: a login that fails again is remembered anew.
            while len(self._failures) >= REMEMBERED:
                self._failures.pop(next(iter(self._failures)))
            count, last = self._failures.pop((login, address), (0, now))
            forgotten = now - last > PENALTY and count < ATTEMPTS
            self._failures[login, address] = (1 if forgotten else count + 1, now)


def _basic(authorization: str | None) -> tuple[str, str]:
    if not authorization or not authorization.strip():
        raise _missing("Basic <user:password in base64>")
    scheme, _, encoded = authorization.strip().partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError("another scheme")
        login, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError("no colon")
    except (ValueError, binascii.Error):
        raise Unauthenticated(
            "The Authorization header must read: Basic <user:password in base64>", target="Authorization"
        ) from None
    return login, password


def _missing(wanted: str) -> Unauthenticated:
    return Unauthenticated(
        f"The Authorization header is missing; send: {wanted}",
        code="missing_authorization_token",
        target="Authorization",
    )
