"""Encrypts the secrets of all trainings anew, after the key has changed."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, select, update

from airflow_dlaas.service.store.base import DecryptionError
from airflow_dlaas.service.store.secret_encryption import SecretCipher
from airflow_dlaas.service.store.tables import trainings


def reencrypt_secrets(connection: Connection, cipher: SecretCipher, change: Callable[[str], str]) -> int:
    """
    Decrypt the secrets of each training, apply *change*, and encrypt them with the present key; return their number.

    No revision changes: clients see the same trainings as before.
    """
    rows = connection.execute(select(trainings.c.id, trainings.c.secrets).where(trainings.c.secrets.is_not(None))).all()
    changed = 0
    for row in rows:
        try:
            secrets = change(cipher.decrypt(row.secrets))
        except DecryptionError:
            continue
        connection.execute(update(trainings).where(trainings.c.id == row.id).values(secrets=cipher.encrypt(secrets)))
        changed += 1
    return changed
