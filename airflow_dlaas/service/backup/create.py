"""Creates a backup. The service may run meanwhile, unless the objects of the embedded Swift are wanted too."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.engine import make_url

from airflow_dlaas import __version__
from airflow_dlaas._util.atomic_write import atomic_write
from airflow_dlaas.exceptions import HostError, InvalidArgument, NotConfigured
from airflow_dlaas.service.backup.manifest import DATABASE_NAME, FORMAT, MANIFEST_NAME, BackupFile, Manifest
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.config.data_dir import DataDir
from airflow_dlaas.service.regular_file import open_regular_file

JOB_FILES = (
    *("spec.json", "run.json", "phase.json", "usage.json", "usage.jsonl", "boards.json"),
    *("resources.json", "stalls.json", "requirements.lock", "checkpoints.json"),
    *("data.json", "training-data.json"),
    *("log", "metrics.jsonl", "exit-if-lost.json", "exit.json"),
)
"""The files of a job that pages and console show after its end. Without secrets.json, code, data and results."""

SWIFT_STATE = ("etc", "devices")
"""The folders of the embedded Swift with what it cannot make again."""

SNAPSHOT_PAGES = 1024
"""Pages of the database that are copied at once; writers wait meanwhile."""


def create_backup(data_dir: DataDir, database_url: str | None, destination: Path, *, with_objects: bool) -> Manifest:
    """
    Write a backup of *data_dir* and its database to *destination*, a new file that only its owner can read.

    A SQLite database is copied as of one moment; the archives and job files that it names are copied afterwards. The
    file has the keys and passwords of the service. After an error there is no file.

    :param database_url: DLAAS_DATABASE, None for the database in *data_dir*. PostgreSQL is not in the backup.
    :param with_objects: whether to include the embedded Swift, which must not run then.
    :raises InvalidArgument: *destination* exists.
    :raises NotConfigured: no service has been started in *data_dir*.
    :raises HostError: a file cannot be read or written, or (*with_objects*) the service runs.
    """
    if destination.exists():
        raise InvalidArgument(f"FILE: {destination} exists; choose another name, or remove it")
    if data_dir.read_credentials() is None:
        raise NotConfigured(f"{data_dir.path} has no credentials: no service has been started there")
    try:
        with ExitStack() as stack:
            if with_objects:
                stack.enter_context(data_dir.lock())
            scratch = Path(tempfile.mkdtemp(prefix=".dlaas-backup-", dir=destination.absolute().parent))
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            output = stack.enter_context(atomic_write(destination, mode=0o600, fsync=True, overwrite=False))
            archive = stack.enter_context(tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT))
            return _Writer(archive, data_dir).write(_database_path(data_dir, database_url), scratch, with_objects)
    except (OSError, sqlite3.Error) as error:
        raise HostError(f"The backup {destination} cannot be written: {error}") from error


def _database_path(data_dir: DataDir, database_url: str | None) -> Path | None:
    """Return the path of the SQLite database; None for PostgreSQL."""
    if database_url is None:
        return data_dir.database
    url = make_url(database_url)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


@dataclass
class _Writer:
    """Adds files to *archive*, and remembers their digests for the manifest."""

    archive: tarfile.TarFile
    data_dir: DataDir
    files: dict[str, BackupFile] = field(default_factory=dict)

    def write(self, database: Path | None, scratch: Path, with_objects: bool) -> Manifest:
        """Add everything, the manifest last."""
        if database is not None:
            # First: what it names is in the data directory before it, and stays there for an hour at least.
            snapshot = scratch / DATABASE_NAME
            _copy_database(database, snapshot)
            self._add_path(DATABASE_NAME, snapshot)
            digests, training_ids = _read_references(snapshot)
        else:
            digests = sorted(one.name for one in self._list(self.data_dir.blobs) if not one.name.startswith("."))
            training_ids = sorted(one.name for one in self._list(self.data_dir.jobs))
        for path in (self.data_dir.credentials_file, self.data_dir.connections_file):
            self._add_path(path.name, path)
        for digest in digests:
            self._add_path(f"blobs/{digest}", self.data_dir.blobs / digest)
        for training_id in training_ids:
            self._add_job(training_id)
        if with_objects:
            for folder in SWIFT_STATE:
                for path in sorted(_walk_files(self.data_dir.swift / folder)):
                    self._add_path(path.relative_to(self.data_dir.path).as_posix(), path, with_xattrs=True)
        manifest = Manifest(
            format=FORMAT,
            version=__version__,
            created_at=utc_now(),
            database="postgresql" if database is None else "sqlite",
            has_objects=with_objects,
            files=self.files,
        )
        content = manifest.model_dump_json(indent=1).encode()
        self.archive.addfile(_member(MANIFEST_NAME, len(content)), io.BytesIO(content))
        return manifest

    def _list(self, folder: Path) -> list[Path]:
        return list(folder.iterdir()) if folder.is_dir() else []

    def _add_job(self, training_id: str) -> None:
        job = self.data_dir.jobs / training_id
        folders = (job / "logs", *job.glob("logs/attempt-*"))
        logs = [one.relative_to(job).as_posix() for folder in folders for one in self._list(folder)]
        for name in (*JOB_FILES, *sorted(logs)):
            # In a job directory, a command without a sandbox can replace a file by anything.
            self._add_path(f"jobs/{training_id}/{name}", job / name, may_be_unreadable=True)

    def _add_path(self, name: str, path: Path, *, with_xattrs: bool = False, may_be_unreadable: bool = False) -> None:
        """
        Add the regular file *path* up to its present size; a missing file is left out.

        :param may_be_unreadable: leave out a file that cannot be read, or of another kind, too.
        :raises OSError: it cannot be read.
        """
        try:
            file = open_regular_file(path)
        except FileNotFoundError:
            return
        except OSError:
            if may_be_unreadable:
                return
            raise
        with file:
            size = os.fstat(file.fileno()).st_size
            reader = _HashingReader(file)
            self.archive.addfile(_member(name, size), reader)  # type: ignore[arg-type]
            xattrs = _read_xattrs(path) if with_xattrs else {}
        self.files[name] = BackupFile(size=size, sha256=reader.sha256.hexdigest(), xattrs=xattrs)


class _HashingReader:
    """A file whose content is hashed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self.sha256.update(content)
        return content


def _copy_database(source: Path, destination: Path) -> None:
    """
    Copy a SQLite database as of one moment, without disturbing the service that writes to it.

    :raises sqlite3.Error: the database cannot be read.
    """
    if not source.is_file():
        raise sqlite3.OperationalError(f"{source} does not exist")
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(destination)) as copy:
        original.backup(copy, pages=SNAPSHOT_PAGES)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a write-ahead log beside it


def _read_references(database: Path) -> tuple[list[str], list[str]]:
    """Return the digests of the archives that *database* uses, and the ids of its trainings. It is not upgraded."""
    with closing(sqlite3.connect(database)) as connection:
        digests = connection.execute(
            "SELECT digest FROM versions WHERE digest IS NOT NULL "
            "UNION SELECT code FROM trainings WHERE finished_at IS NULL ORDER BY 1"
        ).fetchall()
        ids = connection.execute("SELECT id FROM trainings ORDER BY seq").fetchall()  # not all have a job directory
    return [str(digest) for (digest,) in digests], [str(one) for (one,) in ids]


def _walk_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _read_xattrs(path: Path) -> dict[str, str]:
    return {name: base64.b64encode(os.getxattr(path, name)).decode() for name in os.listxattr(path)}


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member
