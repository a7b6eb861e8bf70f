"""Authentication: a client logs in with a password and receives a token; all other requests need the token."""

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
"""How long a token is valid. The client of this package renews it in its last 30 minutes."""

ISSUER = AUDIENCE = "airflow-dlaas"
ALGORITHM = "HS256"
MIN_KEY_BYTES = 32
"""The shortest key that HS256 permits (RFC 7518, section 3.2)."""


class UserDirectory(Protocol):
    """The users that may log in. Implementations are thread-safe."""

    def check_password(self, login: str, password: str) -> bool:
        """Whether *login* is a user and *password* is theirs. May be slow; takes as long for an unknown login."""

    def security_stamp(self, login: str) -> str | None:
        """
        Return a secret that changes with the user's password; None for an unknown user.

        Called with every request, so it must be fast.
        """


class TokenAuthenticator:
    """
    Issues tokens for passwords, and verifies tokens. Thread-safe.

    A token (a signed JWT) contains the user and the expiry, and the service stores none: each process with the same
    *key* can verify it. A token becomes invalid when its user is removed from *users* or gets another password.
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
        return f"TokenAuthenticator(lifetime={self._lifetime})"

    def log_in(self, authorization: str | None, address: str) -> str:
        """
        Return a token for the HTTP Basic credentials in the header *authorization*.

        :param address: the IP address of the client.
        :raises Unauthenticated: the credentials are missing or wrong.
        :raises RateLimited: too many wrong passwords for this login at this address, or from this address.
        """
        login, password = _parse_basic_auth(authorization)
        self._require_not_throttled(login, address)
        # The stamp is read before the check: if the password changes in between, the token has the old stamp.
        stamp = self._users.security_stamp(login)
        if not self._users.check_password(login, password) or stamp is None:
            with self._lock:
                self._throttle.record_failure(login, address, self._clock())
            raise Unauthenticated("The user or the password is wrong", target="Authorization")
        with self._lock:
            self._throttle.reset(login, address)
        return self._issue_token(login, self._password_mac(stamp))

    def refresh(self, token: str) -> str:
        """
        Return a new token for *token*.

        :raises Unauthenticated: *token* is not valid; the client must log in again.
        """
        return self._issue_token(*self._verify_token(token))

    def authenticate(self, authorization: str | None) -> str:
        """
        Return the user of the token in the header *authorization*.

        The scheme may be in any case: the documentation of 2017 writes BEARER.

        :raises Unauthenticated: there is no token, or it is invalid or expired; the error's code differs.
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
        """Return the user of *token*, and the MAC of the password for which it was issued."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                # The expiry is checked below, by the injected clock.
                options={"require": ["sub", "exp", "aud", "iss", "pwd"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated("The token is not one of this service", target="Authorization") from error
        expiry, login, password_mac = claims["exp"], str(claims["sub"]), str(claims["pwd"])
        if not isinstance(expiry, (int, float)) or self._clock().timestamp() >= expiry:
            raise Unauthenticated(
                "The token has expired: get a new one from /v3/identity/token",
                code="expired_authorization_token",
                target="Authorization",
            )
        stamp = self._users.security_stamp(login)
        if stamp is None or not hmac.compare_digest(password_mac.encode(), self._password_mac(stamp).encode()):
            raise Unauthenticated(
                "The user of the token has been removed or has another password now: log in again",
                target="Authorization",
            )
        return login, password_mac

    def _password_mac(self, security_stamp: str) -> str:
        """
        Return a short keyed MAC of *security_stamp*, the only data about a password in a token.

        Only a holder of the key can compute it, so a token cannot be used to guess the password.
        """
        return hmac.digest(self._key, b"password\0" + security_stamp.encode(), "sha256")[:12].hex()

    def _require_not_throttled(self, login: str, address: str) -> None:
        with self._lock:
            wait = self._throttle.remaining_lockout(login, address, self._clock()).total_seconds()
        if wait > 0:
            raise RateLimited(f"Too many wrong passwords; retry after {math.ceil(wait)} s", retry_after=math.ceil(wait))


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
