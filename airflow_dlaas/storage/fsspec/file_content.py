"""The content of files: open, read, write, upload and download them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK  # type: ignore[import-untyped]
from fsspec.compression import compr  # type: ignore[import-untyped]
from fsspec.core import get_compression  # type: ignore[import-untyped]
from fsspec.utils import isfilelike  # type: ignore[import-untyped]

from airflow_dlaas.contract.store_names import require_new_object_name
from airflow_dlaas.storage.fsspec.file_objects import CompressedWriter, ObjectReader, ObjectWriter, TextWriter
from airflow_dlaas.storage.fsspec.listing import FileInfo, StoreListing
from airflow_dlaas.storage.fsspec.os_errors import file_exists_error, is_directory_error, translate_to_os_errors
from airflow_dlaas.storage.object_store import ObjectLayout, Part
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE, is_large
from airflow_dlaas.storage.store_helpers import read_part
from airflow_dlaas.storage.transfer.api import UploadOptions, upload
from airflow_dlaas.storage.transfer.stream_upload import StreamUpload
from airflow_dlaas.storage.transfer.worker_pool import Progress


class StoreContent(StoreListing):
    """Adds the content of files to the listing."""

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """
        Open a file as other file systems of fsspec do. A written file appears when it is closed; not after an error.

        A file of any size may be written: beyond *segment_size* bytes (an option, passed on) it is sent while it is
        written. Mode "x" checks that the path is free when the file is opened, and not again when it is closed.
        """
        if mode.strip("bt") == "r":
            return super().open(path, mode, block_size, cache_options, compression, **options)
        text_options = {name: options.pop(name) for name in ("encoding", "errors", "newline") if name in options}
        autocommit = options.pop("autocommit", not self._intrans)
        writer: Any = self._open(self._strip_protocol(path), mode.strip("bt") + "b", autocommit=autocommit, **options)
        if not autocommit:
            self.transaction.files.append(writer)
        codec = get_compression(path, compression)
        file: Any = CompressedWriter(compr[codec](writer, mode="w"), writer) if codec else writer
        return file if "b" in mode else TextWriter(file, **text_options)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        segment_size: int = DEFAULT_SEGMENT_SIZE,
        **options: Any,
    ) -> ObjectReader | ObjectWriter:
        container, key = self._split_path(path)
        if mode == "rb":
            return ObjectReader(self, path, block_size=block_size, cache_options=cache_options, **options)
        if mode not in {"wb", "xb"}:
            raise NotImplementedError(
                f"An object is stored as a whole, so {path} cannot be opened with {mode!r}: write the whole file, or "
                "write another one beside it"
            )
        if not key:
            raise is_directory_error(path)
        with translate_to_os_errors(path):
            stream = StreamUpload(self.store, container, key, segment_size)
        if mode == "xb" and self.exists(path):
            raise file_exists_error(path)
        return ObjectWriter(stream, path, autocommit=autocommit)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Read a file, verified, or the slice from *start* to *end* of it, which has no checksum."""
        path = self._strip_protocol(path)
        if start is not None and end is not None and min(start, end) >= 0:
            with translate_to_os_errors(path):
                return self.store.read_range(*self._split_path(path), start, end)
        info = self.info(path)
        if info["type"] != "file":
            raise is_directory_error(path)
        return self.read_range(info, *slice(start, end).indices(info["size"])[:2])

    def read_range(self, info: FileInfo, start: int, end: int) -> bytes:
        """Read a range of the content that *info* describes; verified if it is the whole content."""
        container, key = self._split_path(info["name"])
        size, end = info["size"], min(end, info["size"])
        if start >= end:
            return b""
        part = Part(start, end - start, info["md5"] if (start, end) == (0, size) else None)
        with translate_to_os_errors(info["name"]):
            return bytes(
                read_part(self.store, container, key, ObjectLayout(size, info["etag"] or "", info["md5"]), part)
            )

    def put_file(
        self, lpath: str, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **_: Any
    ) -> None:
        """Store a local file, verified; a large one in parts, so that a second attempt resumes it."""
        local = Path(lpath)
        if local.is_dir():
            self.makedirs(rpath, exist_ok=True)
            return
        container, key = self._split_path(rpath)
        if not key:
            raise is_directory_error(rpath)
        with translate_to_os_errors(rpath):
            require_new_object_name(key)
        if mode == "create" and self.exists(rpath):
            raise file_exists_error(rpath)
        size = local.stat().st_size
        callback.set_size(size)

        def report_progress(progress: Progress) -> None:
            callback.absolute_update(progress.bytes_done)

        with translate_to_os_errors(rpath):
            if is_large(size):
                upload(self.store, {key: local}, container, UploadOptions(progress=report_progress))
            else:
                with self.store.replacing(container, key):
                    self.store.put(container, key, local, on_progress=callback.relative_update)

    def get_file(
        self, rpath: str, lpath: Any = None, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **options: Any
    ) -> None:
        """Fetch a file; the local file appears complete and verified, or not at all."""
        if outfile is not None or isfilelike(lpath):
            super().get_file(rpath, lpath, callback, outfile, **options)
            return
        info = self.info(rpath)
        if info["type"] != "file":
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        target = Path(lpath)
        target.parent.mkdir(parents=True, exist_ok=True)
        callback.set_size(info["size"])
        with translate_to_os_errors(rpath):
            self.store.get(*self._split_path(rpath), target, on_progress=callback.relative_update)
