"""
Signatures of requests, version 4 of AWS. No I/O.

The tests compare them with those of botocore, whose own code takes six times the processor time for each, and writes
the session token to the debug log.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from airflow_dlaas.contract.store_connections import S3StoreConnection

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
"""Instead of the SHA-256 of the body. The body of a PUT is protected by its MD5, a header that is signed."""

EMPTY_PAYLOAD = hashlib.sha256(b"").hexdigest()
"""The SHA-256 of no body."""

_SIGNED_HEADERS = frozenset({"content-md5", "content-type"})
"""Signed besides ``host`` and ``x-amz-*``. A proxy may change others, such as Range."""


class Signer:
    """Signs the requests of one access key. Thread-safe."""

    def __init__(self, access_key: str, secret_key: str, session_token: str | None = None) -> None:
        self._access_key = access_key
        self._secret_key = secret_key
        self._session_token = session_token
        self._key: tuple[str, bytes] = ("", b"")  # the scope of the last request, and its key

    def sign(
        self,
        method: str,
        host: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        *,
        region: str,
        now: datetime,
    ) -> dict[str, str]:
        """
        Return *headers* with those of the signature.

        :param path: the whole path, quoted; *query*: sorted, quoted, each key with an equals sign.
        :param headers: ``x-amz-content-sha256`` is one of them. No value has two spaces in a row.
        :param now: in UTC; servers refuse a time that differs from theirs by more than 15 minutes.
        """
        timestamp = now.strftime("%Y%m%dT%H%M%SZ")
        signed = {**headers, "x-amz-date": timestamp}
        if self._session_token:
            signed["x-amz-security-token"] = self._session_token
        canonical = sorted(
            (lowered, value)
            for name, value in (("host", host), *signed.items())
            if (lowered := name.lower()) == "host" or lowered in _SIGNED_HEADERS or lowered.startswith("x-amz-")
        )
        names = ";".join(name for name, _ in canonical)
        header_lines = "".join(f"{name}:{value.strip()}\n" for name, value in canonical)
        canonical_request = (
            f"{method}\n{path}\n{query}\n{header_lines}\n{names}\n{headers['x-amz-content-sha256']}".encode()
        )
        scope = f"{timestamp[:8]}/{region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical_request).hexdigest()}"
        signature = _digest(self._signing_key(scope), text).hex()
        signed["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return signed

    def _signing_key(self, scope: str) -> bytes:
        known_scope, key = self._key
        if known_scope != scope:
            key = f"AWS4{self._secret_key}".encode()
            for part in scope.split("/"):
                key = _digest(key, part)
            self._key = (scope, key)
        return key


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def make_signer(connection: S3StoreConnection) -> Signer | None:
    """Return the signer of a connection; None for anonymous requests."""
    if connection.anonymous:
        return None
    token = connection.session_token
    return Signer(connection.user, connection.secret, token.get_secret_value() if token else None)
