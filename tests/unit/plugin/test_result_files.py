"""How the pages show the files of results."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_dlaas.plugin.result_files import (
    MAX_FILES,
    PREVIEW_BYTES,
    download_headers,
    image_type,
    preview_kind,
    result_files,
    text_preview,
)
from airflow_dlaas.storage.object_store import StoredObject

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def stored(name: str, **other: Any) -> StoredObject:
    return StoredObject(name, 5, None, NOW, **other)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("training-log.txt", "text"),
        ("a/Metrics.JSON", "text"),
        ("page.html", "text"),
        ("drawing.svg", "text"),
        ("plot.PNG", "image"),
        ("weights.h5", None),
        ("Makefile", None),
        ("dir.txt/weights", None),
        (".png", "image"),
    ],
)
def test_preview_kind_is_that_of_the_file_type(name: str, kind: str | None) -> None:
    assert preview_kind(name) == kind
    assert (image_type(name) is not None) == (kind == "image")


def test_list_has_names_below_the_folder_and_no_internal_objects() -> None:
    listing = [
        stored("training-1/.dlaas-checkpoints/1/content/0-1"),
        stored("training-1/.dlaas-checkpoints/1/manifest-00000001.json"),
        stored("training-1/.dlaas-training"),
        stored("training-1/learner-1/training-log.txt"),
        stored("training-1/model", is_folder_marker=True),
        stored("training-1/model/"),
        stored("training-1/model/.dlaas-training"),
        stored("training-1/model/weights.h5"),
    ]
    files = result_files("c", "training-1", listing)
    assert [(one.name, one.preview) for one in files.files] == [
        ("learner-1/training-log.txt", "text"),
        ("model/.dlaas-training", None),
        ("model/weights.h5", None),
    ]
    assert not files.truncated


def test_list_is_limited_and_reads_no_more_than_needed() -> None:
    read = 0

    def listing():
        nonlocal read
        for number in range(10 * MAX_FILES):
            read += 1
            yield stored(f"f/{number:09}")

    files = result_files("c", "f", listing())
    assert (len(files.files), files.truncated, read) == (MAX_FILES, True, MAX_FILES + 1)


@pytest.mark.parametrize(
    ("content", "text", "truncated"),
    [
        (b"", "", False),
        (b"a\r\nb\n", "a\nb\n", False),
        (b"\xef\xbb\xbfa", "a", False),
        (b"\x1b[31mred\x00 \xff", "\\x1b[31mred\\x00 �", False),
        ("ä".encode() * PREVIEW_BYTES, "ä" * (PREVIEW_BYTES // 2), True),
        (b"x" + "ä".encode() * PREVIEW_BYTES, "x" + "ä" * (PREVIEW_BYTES // 2 - 1), True),
    ],
)
def test_preview_is_escaped_text(content: bytes, text: str, truncated: bool) -> None:
    preview = text_preview(content[: PREVIEW_BYTES + 1])
    assert (preview.text, preview.truncated) == (text, truncated)


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("weights.h5", "attachment; filename=\"weights.h5\"; filename*=UTF-8''weights.h5"),
        ('a"b\\c;d.txt', "attachment; filename=\"a_b_c;d.txt\"; filename*=UTF-8''a%22b%5Cc%3Bd.txt"),
        ("gewicht\r\nSet-Cookie: ä", "attachment; filename=\"gewicht__Set-Cookie: _\"; filename*=UTF-8''"),
    ],
)
def test_file_name_cannot_change_the_headers(name: str, disposition: str) -> None:
    headers = download_headers(name)
    assert headers["Content-Disposition"].startswith(disposition)
    assert headers["Content-Disposition"].isprintable()
    assert headers["X-Content-Type-Options"] == "nosniff"
