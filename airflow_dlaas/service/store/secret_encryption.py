"""
Encryption of secrets, with a key that is not in the database.

A dump, a backup or a replica of the database contains no readable credentials.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airflow_dlaas.service.store.base import DecryptionError

HKDF_INFO = b"airflow-dlaas: secrets of trainings in the database"
"""The purpose of the key: keys derived from the same bytes for another purpose are different."""

ENCRYPTED_PREFIX = "fernet:"
"""Prefix of encrypted text. A definition in plain text, as older versions stored it, begins with a brace."""


def derive_key(token_key: bytes) -> bytes:
    """Derive the encryption key from the key that signs tokens, so that the service has only one key to store."""
    return urlsafe_b64encode(HKDF(SHA256(), 32, salt=None, info=HKDF_INFO).derive(token_key))


class SecretCipher:
    """
    Encrypts and decrypts texts with *key*, from `derive_key`. Without a key, texts stay as they are.

    :param previous_key: the key before a rotation that has not ended: texts encrypted with it are decrypted too.
    """

    def __init__(self, key: bytes | None, previous_key: bytes | None = None) -> None:
        keys = [Fernet(one) for one in (key, previous_key) if one is not None]
        self._fernet = MultiFernet(keys) if key is not None else None

    def encrypt(self, text: str) -> str:
        """Return *text* encrypted."""
        return text if self._fernet is None else ENCRYPTED_PREFIX + self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """
        Return the text of *stored*, which is encrypted or plain text.

        :raises DecryptionError: it was encrypted with another key, or changed.
        """
        if not stored.startswith(ENCRYPTED_PREFIX):
            return stored
        try:
            if self._fernet is not None:
                return self._fernet.decrypt(stored.removeprefix(ENCRYPTED_PREFIX)).decode()
        except InvalidToken:
            pass  # The error has no detail of the text, not even its length.
        raise DecryptionError(
            "The credentials of its object stores can no longer be read: they were encrypted with another key than the "
            "service has now (was credentials.json replaced?). Submit the training again"
        )
