"""The store of archives."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError, TooLarge
from airflow_dlaas.service.store.blobs import GRACE_PERIOD, Blob, BlobStore

CONTENT = b"some bytes"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def store_blob(blobs: BlobStore, *chunks: bytes) -> Blob:
    with blobs.start_upload(1000) as upload:
        for chunk in chunks:
            upload.write(chunk)
        return upload.commit()


def age(path: Path, seconds: float) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_blob_has_its_digest_as_name(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "made" / "blobs")
    assert store_blob(blobs, b"some ", b"bytes") == Blob(DIGEST, len(CONTENT))
    assert blobs.path(DIGEST).read_bytes() == CONTENT


def test_same_bytes_are_stored_once(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    assert store_blob(blobs, CONTENT) == store_blob(blobs, CONTENT)
    assert [file.name for file in tmp_path.iterdir()] == [DIGEST]


def test_upload_without_commit_leaves_no_file(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    with blobs.start_upload(1000) as upload:
        upload.write(CONTENT)
        assert upload.finalize().digest == DIGEST
        assert upload.temp_path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == []


def test_upload_above_the_limit_is_refused_and_removed(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    with blobs.start_upload(9) as upload:
        upload.write(b"123456789")
        with pytest.raises(TooLarge, match="larger than the 9 bytes"):
            upload.write(b"0")
    assert list(tmp_path.iterdir()) == []


def test_delete_unused_keeps_used_and_recent_blobs(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    needed, fresh, old = (store_blob(blobs, content).digest for content in (b"needed", b"fresh", b"old"))
    left = tmp_path / ".incoming-of-a-crash"
    left.touch()
    for path in (blobs.path(needed), blobs.path(old), left):
        age(path, GRACE_PERIOD + 1)
    assert blobs.delete_unused({needed}) == 2
    assert {file.name for file in tmp_path.iterdir()} == {needed, fresh}


def test_touched_blob_is_not_deleted(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    digest = store_blob(blobs, CONTENT).digest
    age(blobs.path(digest), GRACE_PERIOD + 1)
    assert blobs.touch(digest)
    assert blobs.delete_unused(()) == 0
    assert not blobs.touch("0" * 64)


@pytest.mark.parametrize("name", ["", "../secret", "x" * 63, "../" + "x" * 61])
def test_path_requires_a_digest(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        BlobStore(tmp_path).path(name)


def test_directory_that_cannot_be_created_is_a_host_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError):
        BlobStore(tmp_path / "file" / "blobs")
