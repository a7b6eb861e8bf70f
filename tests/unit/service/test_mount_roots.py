"""The folders below which definitions may name mounted folders."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

import pytest

from airflow_dlaas.service.job_settings import MountRoot
from airflow_dlaas.service.mount_roots import describe_roots, innermost_root, parse_mount_roots

ROOTS = parse_mount_roots("/data, /data/scratch:rw,/srv/sets/")


def test_entries_are_paths_and_writable_ones_end_with_rw() -> None:
    assert [*ROOTS] == [
        MountRoot(path=Path("/data")),
        MountRoot(path=Path("/data/scratch"), writable=True),
        MountRoot(path=Path("/srv/sets")),
    ]
    assert describe_roots(ROOTS) == ("/data", "/data/scratch:rw", "/srv/sets")
    assert parse_mount_roots(",".join(describe_roots(ROOTS))) == ROOTS


@pytest.mark.parametrize("text", ["/", "/:rw", "data", "./data", "/data/../etc", "/data,/data:rw", ":rw"])
def test_entry_that_is_no_folder_below_the_root_directory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_mount_roots(text)


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/data", "/data"),
        ("/data/imagenet/train", "/data"),
        ("/data/scratch", "/data/scratch"),
        ("/data/scratch/a", "/data/scratch"),
        ("/data/scratchy", "/data"),
        ("/database", None),
        ("/srv", None),
        ("/etc", None),
    ],
)
def test_innermost_root_decides_about_a_path(path: str, root: str | None) -> None:
    found = innermost_root(PurePath(path), ROOTS)
    assert (found and str(found.path)) == root


def test_without_roots_no_path_is_allowed() -> None:
    assert parse_mount_roots("") == ()
    assert innermost_root(PurePath("/data"), ()) is None
