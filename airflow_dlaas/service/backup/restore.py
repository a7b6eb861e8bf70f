"""Restores a backup into a new data directory, and verifies it before the directory appears."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from airflow_dlaas._util.atomic_write import fsync_directory
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import DlaasError, HostError, InvalidArgument, NotConfigured
from airflow_dlaas.service.backup.manifest import DATABASE_NAME, FORMAT, MANIFEST_NAME, Manifest
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.config.data_dir import DataDir
from airflow_dlaas.service.key_rotation import open_store, require_no_other_service
from airflow_dlaas.service.store.base import DecryptionError
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.sql import SqlStore

CHUNK_BYTES = 1024**2

RESTORED_MESSAGE = (
    "The training ran when the backup was made from which the service was restored ({when}): its process is not in the "
    "backup. Submit it again. Results that it stored before or after are still in the container"
)


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What was restored."""

    manifest: Manifest
    ended: int
    """Trainings that ran at the time of the backup; they are in state error now."""
    queued: int
    """Trainings that the next start of the service starts."""
    unreadable: int
    """Queued trainings whose secrets cannot be decrypted; they will fail at their start."""


def restore_backup(source: Path, home: Path, database_url: str | None) -> RestoreResult:
    """
    Restore the backup *source* to *home*, which must be empty or missing. *home* appears complete or not at all.

    The digest of every file and the integrity of the database are verified. An older database is upgraded.

    :param database_url: DLAAS_DATABASE. For a backup without a database, the restored PostgreSQL; else it must be None.
    :raises InvalidArgument: *home* is not empty, or *source* is no complete backup.
    :raises NotConfigured: *database_url* is missing or not expected.
    :raises HostError: a newer version wrote the backup, a file cannot be read or written, or another service uses the
        database.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise InvalidArgument(f"--home: {home} is not an empty directory; a backup is restored into a new one")
    try:
        home.absolute().parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{home.name}-restore-", dir=home.absolute().parent))
        try:
            manifest = _extract(source, folder)
            url = _database_url(manifest, folder, database_url)
            result = _prepare_database(manifest, DataDir(folder), url, DataDir(home.absolute()))
            folder.replace(home)
            fsync_directory(home.absolute().parent)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except tarfile.TarError as error:
        raise InvalidArgument(f"FILE: {source} is no complete backup: {error}") from error
    except (OSError, sqlite3.Error) as error:
        raise HostError(f"The backup {source} cannot be restored: {error}") from error
    return result


def _extract(source: Path, folder: Path) -> Manifest:
    """Extract all files to *folder*, and verify them by the manifest, which is the last member."""
    found: dict[str, tuple[int, str]] = {}
    content: bytes | None = None
    with tarfile.open(source, mode="r:") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is None or not _is_safe(member.name) or member.name in found:
                raise InvalidArgument(f"FILE: {source} has an entry that no backup has: {member.name!r}")
            if member.name == MANIFEST_NAME:
                content = file.read()
                continue
            path = folder / member.name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            digest, size = hashlib.sha256(), 0
            with path.open("xb") as copy:
                os.fchmod(copy.fileno(), 0o600)
                while chunk := file.read(CHUNK_BYTES):
                    copy.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                copy.flush()
                os.fsync(copy.fileno())
            found[member.name] = (size, digest.hexdigest())
    manifest = _parse_manifest(source, content)
    expected = {name: (file.size, file.sha256) for name, file in manifest.files.items()}
    if found != expected:
        damaged = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise InvalidArgument(f"FILE: {source} is damaged: {', '.join(damaged[:3])} differ from its manifest")
    for name, entry in manifest.files.items():
        for attribute, value in entry.xattrs.items():
            os.setxattr(folder / name, attribute, base64.b64decode(value))
    return manifest


def _parse_manifest(source: Path, content: bytes | None) -> Manifest:
    if content is None:
        raise InvalidArgument(f"FILE: {source} is no complete backup: it has no {MANIFEST_NAME}")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        raise InvalidArgument(f"FILE: {source} is no backup of airflow-dlaas: {MANIFEST_NAME} is invalid") from None
    if manifest.format > FORMAT:
        raise HostError(
            f"The backup {source} is from airflow-dlaas {manifest.version}, a newer version: restore it with that one"
        )
    return manifest


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.as_posix() == name


def _database_url(manifest: Manifest, folder: Path, database_url: str | None) -> str:
    if manifest.database == "postgresql":
        if database_url is None:
            raise NotConfigured(
                "DLAAS_DATABASE: the backup has no database. Restore the dump of PostgreSQL first, and set "
                "DLAAS_DATABASE to it"
            )
        return database_url
    if database_url is not None:
        raise NotConfigured(
            "DLAAS_DATABASE: the backup has its database, which is restored into the data directory: unset the variable"
        )
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as connection:
        ((outcome,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if outcome != "ok":
        raise InvalidArgument(f"FILE: the database in the backup is damaged: {outcome}")
    return f"sqlite:///{folder / DATABASE_NAME}"


def _prepare_database(manifest: Manifest, data_dir: DataDir, url: str, home: DataDir) -> RestoreResult:
    """Upgrade the database, end the trainings that ran, and count the queued ones."""
    credentials = data_dir.read_credentials()
    if credentials is None:
        raise InvalidArgument("FILE: the backup has no credentials.json")
    store = open_store(credentials, url)
    try:
        if manifest.database == "postgresql":  # no other service can use the copy of a SQLite database
            require_no_other_service(store, home)
        message = RESTORED_MESSAGE.format(when=f"{manifest.created_at:%Y-%m-%d %H:%M} UTC")
        error = ErrorItem(code="S100", message=message)
        unfinished = store.list_unfinished()
        started = [one for one in unfinished if one.started_at is not None]
        for training in started:
            lost = TrainingOutcome(TrainingState.ERROR, utc_now(), error=error)
            canceled = TrainingOutcome(TrainingState.CANCELED, utc_now())
            store.finish(training.id, canceled if training.cancel_requested else lost)
        queued = [one.id for one in unfinished if one.started_at is None]
        unreadable = sum(not _is_readable(store, one) for one in queued)
    finally:
        store.close()
    return RestoreResult(manifest, len(started), len(queued), unreadable)


def _is_readable(store: SqlStore, training_id: str) -> bool:
    try:
        store.get_definition_with_secrets(training_id)
    except (DecryptionError, DlaasError):
        return False
    return True
