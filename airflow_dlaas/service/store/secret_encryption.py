"""
How secrets are kept: sealed, with a key that is not in the database.

Whoever gets hold of a dump, a backup or a replica of the database gets no credentials with it.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airflow_dlaas.service.store.base import DecryptionError

HKDF_INFO = b"airflow-dlaas: secrets of trainings in the database"
"""Makes the derived key another one than any that is derived from the same bytes for something else."""

ENCRYPTED_PREFIX = "fernet:"
"""Begins what is sealed. A definition in clear text, as older versions kept it, begins with a brace."""


def derive_key(token_key: bytes) -> bytes:
    """Make the key of the seal from the key the service signs its tokens with: nobody has to keep a second one."""
    return urlsafe_b64encode(HKDF(SHA256(), 32, salt=None, info=HKDF_INFO).derive(token_key))


class SecretCipher:
    """Seals and opens texts with *key*, of `derive_key`. Without one they stay as they are."""

    def __init__(self, key: bytes | None) -> None:
        self._fernet = Fernet(key) if key is not None else None

    def encrypt(self, text: str) -> str:
        """Seal *text*."""
        return text if self._fernet is None else ENCRYPTED_PREFIX + self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """
        Give the text that was sealed, or kept in the clear.

        :raises SealBroken: it was sealed with another key, or it was changed.
        """
        if not stored.startswith(ENCRYPTED_PREFIX):
            return stored
        try:
            if self._fernet is not None:
                return self._fernet.decrypt(stored.removeprefix(ENCRYPTED_PREFIX)).decode()
        except InvalidToken:
            pass  # Nothing of it goes into the error: not even its length.
        raise DecryptionError(
            "The credentials of its object stores cannot be read any more: they were sealed with another key than the "
            "service has now (was credentials.json made anew?). Submit the training again"
        )
