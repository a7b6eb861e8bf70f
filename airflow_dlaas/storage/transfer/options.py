"""The options of an upload or a download."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from airflow_dlaas.contract.patterns import Patterns
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.worker_pool import ProgressCallback

ExcludeFilter = Callable[[Sequence[str]], Collection[str]]
"""Given the names of all objects found, returns those that are not downloaded, or not deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """Options that uploads and downloads have in common."""

    prefix: str = ""
    """Folder of the container that is transferred to or from; empty means the whole container."""
    allow_empty: bool = False
    """Accept a transfer without any file; otherwise it is an error."""
    checksum_cache: ChecksumCache | None = None
    """MD5s of local files, so that files that did not change are not read again."""
    threads: int | None = None
    """Files, or segments of large files, that are transferred at the same time; None adapts the number to the speed."""
    segment_size: int = DEFAULT_SEGMENT_SIZE
    """
    Bytes of a segment. A file or an object of more than two is large, and is transferred in parts.

    An upload stores a large file as segments of this size; only with the same size does the next upload resume an
    interrupted one, or find the file unchanged without reading the store's list of segments. A download fetches a large
    object that is stored in one piece in ranges of this size, and any other large object segment by segment.
    """
    progress: ProgressCallback | None = None
    """Called after every step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions(TransferOptions):
    """Options of an upload."""

    include: Patterns = None
    """Names and globs of the files to upload, see `contract.patterns`; a text is one pattern, None means all."""
    exclude: Patterns = ()
    """Names and globs of files that are left out; it takes precedence over *include*."""
    delete: bool = False
    """
    After the upload, delete the objects under *prefix* that are not among the sources.

    `plan.planned_deletions` states which objects stay all the same. Nothing outside *prefix* is deleted, and nothing at
    all if there are no sources.
    """
    create_container: bool = False
    """Create the container if it is missing, after the arguments and the sources have been checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions(TransferOptions):
    """Options of a download."""

    names: Patterns = None
    """Full names of the objects to download; a text is one name, None means all objects under *prefix*."""
    exclude_filter: ExcludeFilter | None = None
    """Selects objects under *prefix* that are not downloaded."""
