"""
The manifest of a checkpoint: one complete state of CHECKPOINT_DIR, and the objects that have its content. No I/O.

The objects of a training are below ``<id>/.dlaas-checkpoints/<attempt>/``: ``content/<MD5>-<size>`` for the content of
files, each content once, and ``manifest-<number>.json``. A manifest is stored after all objects that it names, so that
a checkpoint with a manifest is whole.
"""

from __future__ import annotations

import re
from enum import Enum

from airflow_dlaas.contract.attempts import CheckpointReport, ResumedFrom
from airflow_dlaas.contract.base import ApiList, ApiModel, Timestamp
from airflow_dlaas.contract.results import checkpoints_folder

FORMAT = 1

_MANIFEST_NAME = re.compile(r"(?P<folder>.*)/(?P<attempt>[0-9]{1,4})/manifest-(?P<number>[0-9]{8})\.json")


class EntryKind(str, Enum):
    """What an entry of CHECKPOINT_DIR is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"

    def __str__(self) -> str:
        return self.value


class ManifestEntry(ApiModel):
    """A file, a folder or a symbolic link of CHECKPOINT_DIR."""

    path: str
    """Relative to CHECKPOINT_DIR, with ``/``."""
    kind: EntryKind = EntryKind.FILE
    mode: int = 0o644
    mtime_ns: int = 0
    size: int = 0
    """Bytes of a file."""
    md5: str | None = None
    """The MD5 of a file, in lower-case hex."""
    object_name: str | None = None
    """The full name of the object with a file's content."""
    target: str | None = None
    """Where a link leads, as it is in the link."""


class CheckpointManifest(ApiModel):
    """A complete checkpoint."""

    format: int = FORMAT
    training_id: str
    attempt: int
    number: int
    """The number of the checkpoint within the attempt, from 1."""
    stored_at: Timestamp
    entries: ApiList[ManifestEntry] = ()

    @property
    def report(self) -> CheckpointReport:
        """Its report in the status of the training."""
        files = [one for one in self.entries if one.kind is EntryKind.FILE]
        return CheckpointReport(
            attempt=self.attempt,
            number=self.number,
            stored_at=self.stored_at,
            files=len(files),
            bytes=sum(one.size for one in files),
        )

    @property
    def reference(self) -> ResumedFrom:
        """Its name in the status of a training that begins with it."""
        return ResumedFrom(training_id=self.training_id, attempt=self.attempt, number=self.number)


def attempt_prefix(training_id: str, attempt: int) -> str:
    """Return the prefix of the names of all objects that an attempt stores for its checkpoints."""
    return f"{checkpoints_folder(training_id)}/{attempt}/"


def manifest_name(training_id: str, attempt: int, number: int) -> str:
    """Return the name of the object with a manifest."""
    return f"{attempt_prefix(training_id, attempt)}manifest-{number:08d}.json"


def content_name(training_id: str, attempt: int, md5: str, size: int) -> str:
    """Return the name of the object with the content of a file."""
    return f"{attempt_prefix(training_id, attempt)}content/{md5}-{size}"


def parse_manifest_name(training_id: str, name: str) -> tuple[int, int] | None:
    """Return attempt and number of the manifest with the object *name*; None if it is no manifest of the training."""
    match = _MANIFEST_NAME.fullmatch(name)
    if match is None or match["folder"] != checkpoints_folder(training_id):
        return None
    return int(match["attempt"]), int(match["number"])
