"""Writing through the fsspec file system to a real OpenStack Swift."""

from __future__ import annotations

import gzip
import io
import logging
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback

from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.segments import MIB
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.integration.storage.test_filesystem import SEGMENT_SIZE, write
from tests.stored import orphans, random_bytes, segments


def test_small_file_is_one_object_and_large_file_appears_in_one_step(
    store: SwiftStore, fs: SwiftFileSystem, container: str
) -> None:
    with fs.open(f"{container}/a", "wb", segment_size=SEGMENT_SIZE) as file:
        file.write(random_bytes(SEGMENT_SIZE, 0))
        assert not segments(store, container)
        file.write(b"x")
        assert file.tell() == SEGMENT_SIZE + 1
        assert list(segments(store, container).values()) == [SEGMENT_SIZE]
        assert not fs.exists(f"{container}/a")
    assert fs.cat_file(f"{container}/a") == random_bytes(SEGMENT_SIZE, 0) + b"x"
    write(fs, f"{container}/b", random_bytes(SEGMENT_SIZE, 0))
    assert len(segments(store, container)) == 2
    assert not store.get_layout(container, "b").parts


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("before", [b"", random_bytes(3 * SEGMENT_SIZE, "before")])
def test_error_in_the_with_block_changes_nothing(
    store: SwiftStore, fs: SwiftFileSystem, container: str, mode: str, compression: str | None, before: bytes
) -> None:
    write(fs, f"{container}/a", before)
    segments_before = segments(store, container)
    content: Any = random_bytes(3 * SEGMENT_SIZE, 0) if mode == "wb" else random_bytes(3 * SEGMENT_SIZE, 0).hex()
    with (  # noqa: PT012
        pytest.raises(ZeroDivisionError),
        fs.open(f"{container}/a", mode, compression=compression, segment_size=SEGMENT_SIZE) as file,
    ):
        file.write(content)
        file.flush()
        assert len(segments(store, container)) > len(segments_before)
        1 / 0  # noqa: B018
    assert file.closed
    assert fs.cat_file(f"{container}/a") == before
    assert segments(store, container) == segments_before


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_file_that_is_never_closed_is_not_stored_and_logged(
    fs: SwiftFileSystem, container: str, mode: str, compression: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = fs.open(f"{container}/a", mode, compression=compression)
    file.write(b"half" if mode == "wb" else "half")
    with caplog.at_level(logging.WARNING):
        del file
    assert not fs.exists(f"{container}/a")
    assert "not closed, so nothing was stored" in caplog.text


def test_file_that_cannot_be_completed_leaves_nothing(store: SwiftStore, fs: SwiftFileSystem, container: str) -> None:
    file = fs.open(f"{container}/a", "wb", segment_size=SEGMENT_SIZE)
    file.write(random_bytes(3 * SEGMENT_SIZE, 0))
    store.delete(f"{container}_segments", [next(iter(segments(store, container)))])
    with pytest.raises(OSError, match="was not put together"):
        file.close()
    assert file.closed
    assert not fs.exists(f"{container}/a")
    assert not segments(store, container)


def test_text_and_compressed_files_are_written(fs: SwiftFileSystem, container: str) -> None:
    with fs.open(f"{container}/a.txt", "w", encoding="latin-1", newline="\r\n") as file:
        file.write("ü\n")
    assert fs.cat_file(f"{container}/a.txt") == "ü\r\n".encode("latin-1")
    with fs.open(f"{container}/a.gz", "wt", compression="infer") as file:
        file.write("ü\n")
    assert gzip.decompress(fs.cat_file(f"{container}/a.gz")) == "ü\n".encode()
    with fs.open(f"{container}/a.gz", "rt", compression="infer") as file:
        assert list(file) == ["ü\n"]


def test_replaced_large_file_leaves_no_segments(
    store: SwiftStore, fs: SwiftFileSystem, container: str, tmp_path: Path
) -> None:
    (tmp_path / "small").write_bytes(b"small")
    for replace in (
        lambda path: write(fs, path, random_bytes(3 * SEGMENT_SIZE, 1)),
        lambda path: fs.pipe(path, b"small"),
        lambda path: fs.put_file(str(tmp_path / "small"), path),
        lambda path: fs.cp_file(f"{container}/other", path),
        lambda path: fs.rm(path),
    ):
        fs.pipe(f"{container}/other", b"other")
        write(fs, f"{container}/a", random_bytes(3 * SEGMENT_SIZE, 0))
        replace(f"{container}/a")
        assert not orphans(store, container)
    assert not segments(store, container)


def test_writing_needs_the_memory_of_one_segment(fs: SwiftFileSystem, container: str) -> None:
    piece = random_bytes(MIB, 0)
    tracemalloc.start()
    try:
        with fs.open(f"{container}/a", "wb", segment_size=4 * MIB) as file:
            for _ in range(40):
                file.write(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MIB
    assert fs.size(f"{container}/a") == 40 * MIB
    assert fs.cat_file(f"{container}/a", 39 * MIB, 40 * MIB) == piece


def test_append_modes_are_not_supported(fs: SwiftFileSystem, container: str) -> None:
    fs.pipe(f"{container}/a", b"1")
    for mode in ("ab", "a", "r+b", "w+b"):
        with pytest.raises(NotImplementedError):
            fs.open(f"{container}/a", mode)
    with pytest.raises(FileExistsError):
        fs.open(f"{container}/a", "xb")
    with fs.open(f"{container}/b", "x") as file:
        file.write("new")
    assert fs.cat_file(f"{container}/b") == b"new"


def test_files_of_a_transaction_appear_at_its_end_or_not_at_all(
    store: SwiftStore, fs: SwiftFileSystem, container: str
) -> None:
    with fs.transaction:
        fs.pipe({f"{container}/a": b"1", f"{container}/b": b"2"})
        write(fs, f"{container}/c", random_bytes(2 * SEGMENT_SIZE, 0))
        assert not fs.find(container)
    assert len(fs.find(container)) == 3
    with pytest.raises(ZeroDivisionError), fs.transaction:  # noqa: PT012
        write(fs, f"{container}/d", random_bytes(2 * SEGMENT_SIZE, 0))
        fs.pipe(f"{container}/e", b"1")
        1 / 0  # noqa: B018
    assert len(fs.find(container)) == 3
    assert not orphans(store, container)


def test_touch_makes_an_empty_file_and_truncates_an_existing_one(fs: SwiftFileSystem, container: str) -> None:
    fs.touch(f"{container}/a")
    assert fs.info(f"{container}/a")["size"] == 0
    fs.pipe(f"{container}/a", b"1")
    fs.touch(f"{container}/a")
    assert fs.cat_file(f"{container}/a") == b""


def test_put_file_and_get_file_report_their_progress(
    store: SwiftStore, fs: SwiftFileSystem, container: str, tmp_path: Path
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(random_bytes(2 * MIB, 0))
    with large.open("wb") as file:
        file.write(random_bytes(MIB, 1))
        file.truncate(129 * MIB)
    for source in (small, large):
        progress = Callback()
        fs.put_file(str(source), f"{container}/{source.name}", callback=progress)
        assert progress.value == progress.size == source.stat().st_size
        progress = Callback()
        fs.get_file(f"{container}/{source.name}", str(tmp_path / "new" / source.name), callback=progress)
        assert progress.value == progress.size == source.stat().st_size
        assert source.read_bytes() == (tmp_path / "new" / source.name).read_bytes()
    assert len(segments(store, container)) == 3
    buffer = io.BytesIO()
    fs.get_file(f"{container}/small", buffer)
    assert buffer.getvalue() == small.read_bytes()
