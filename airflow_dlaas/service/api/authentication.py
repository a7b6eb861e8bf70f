"""Who asks: a password for a token, and a token for everything else."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import jwt

from airflow_dlaas.exceptions import NotConfigured, RateLimited, Unauthenticated
from airflow_dlaas.service.api.login_throttle import LoginThrottle

DEFAULT_TOKEN_LIFETIME = timedelta(hours=12)
"""How long a token is good for. Clients renew when fewer than 30 minutes are left [client]."""

ISSUER = AUDIENCE = "airflow-dlaas"
ALGORITHM = "HS256"
MIN_KEY_BYTES = 32
"""The least a key may have: what HS256 itself asks for (RFC 7518, section 3.2)."""


class UserDirectory(Protocol):
    """Who may log in. Asked from several threads at once."""

    def check_password(self, login: str, password: str) -> bool:
        """Whether these two belong together. May take a while; must take it for an unknown login, too."""

    def security_stamp(self, login: str) -> str | None:
        """Give a secret that is another one when the user's password is; None for nobody. Asked with every request."""


class TokenAuthenticator:
    """
    Gives tokens for passwords, and names for tokens. Thread-safe.

    A token says who and until when; it needs no memory here, so any process with the same *key* knows it. It ends with
    its user and with their password: who is no longer among *users*, or has another password since, is refused.
    """

    def __init__(
        self,
        users: UserDirectory,
        key: bytes,
        *,
        clock: Callable[[], datetime],
        lifetime: timedelta = DEFAULT_TOKEN_LIFETIME,
    ) -> None:
        if len(key) < MIN_KEY_BYTES:
            raise NotConfigured(f"The key that signs tokens must have {MIN_KEY_BYTES} bytes or more")
        self._users = users
        self._key = key
        self._clock = clock
        self._lifetime = lifetime
        self._throttle = LoginThrottle()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Identity(lifetime={self._lifetime})"

    def log_in(self, authorization: str | None, address: str) -> str:
        """
        Give a token for the HTTP Basic credentials of somebody at *address*.

        :raises Unauthenticated: they are missing or wrong.
        :raises RateLimited: they were wrong too often.
        """
        login, password = _parse_basic_auth(authorization)
        self._require_not_throttled(login, address)
        stamp = self._users.security_stamp(
            login
        )  # before the password: one that is changed meanwhile must not get the new one
        if not self._users.check_password(login, password) or stamp is None:
            with self._lock:
                self._throttle.record_failure(login, address, self._clock())
            raise Unauthenticated("The user or the password is wrong", target="Authorization")
        with self._lock:
            self._throttle.reset(login, address)
        return self._issue_token(login, self._password_mac(stamp))

    def refresh(self, token: str) -> str:
        """
        Give a new token for one that is still good.

        :raises Unauthenticated: it is not; log in again.
        """
        return self._issue_token(*self._verify_token(token))

    def authenticate(self, authorization: str | None) -> str:
        """
        Tell who sent this `Authorization` header. The scheme is compared without case: the page spells it BEARER.

        :raises Unauthenticated: it holds no token, a forged or an expired one; the code says which.
        """
        if not authorization or not authorization.strip():
            raise _missing_header("Bearer <token>")
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("The Authorization header must read: Bearer <token>", target="Authorization")
        return self._verify_token(token.strip())[0]

    def _issue_token(self, login: str, password_mac: str) -> str:
        now = self._clock()
        claims = {
            "sub": login,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": int(now.timestamp()),
            "exp": int((now + self._lifetime).timestamp()),
            "jti": uuid.uuid4().hex,
            "pwd": password_mac,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def _verify_token(self, token: str) -> tuple[str, str]:
        """The user of *token*, and the seal of the password it was given for."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                # Times are compared below, with the clock that was handed in.
                options={"require": ["sub", "exp", "aud", "iss", "pwd"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated("The token is none of ours", target="Authorization") from error
        until, login, seal = claims["exp"], str(claims["sub"]), str(claims["pwd"])
        if not isinstance(until, (int, float)) or self._clock().timestamp() >= until:
            raise Unauthenticated(
                "The token has expired: get a new one from /v3/identity/token",
                code="expired_authorization_token",
                target="Authorization",
            )
        stamp = self._users.security_stamp(login)
        if stamp is None or not hmac.compare_digest(seal.encode(), self._password_mac(stamp).encode()):
            raise Unauthenticated(
                "The token's user is no longer known, or has another password since", target="Authorization"
            )
        return login, seal

    def _password_mac(self, security_stamp: str) -> str:
        """What a token may tell of a password: whether it is still the same, to us alone."""
        return hmac.digest(self._key, b"password\0" + security_stamp.encode(), "sha256")[:12].hex()

    def _require_not_throttled(self, login: str, address: str) -> None:
        with self._lock:
            wait = self._throttle.remaining_lockout(login, address, self._clock()).total_seconds()
        if wait > 0:
            raise RateLimited("Too many wrong passwords; wait before the next try", retry_after=math.ceil(wait))


def _parse_basic_auth(authorization: str | None) -> tuple[str, str]:
    if not authorization or not authorization.strip():
        raise _missing_header("Basic <user:password in base64>")
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


def _missing_header(expected: str) -> Unauthenticated:
    return Unauthenticated(
        f"The Authorization header is missing; send: {expected}",
        code="missing_authorization_token",
        target="Authorization",
    )
