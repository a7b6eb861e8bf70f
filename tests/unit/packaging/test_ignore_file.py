"""`.dlaasignore`."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.packaging import archive


def write_code(path: Path, *names: str, ignore: str | bytes) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(f"# {name}\n")
    (path / ".dlaasignore").write_bytes(ignore if isinstance(ignore, bytes) else ignore.encode())
    return path


def packed_names(folder: Path, *, include: list[str] | None = None, exclude: tuple[str, ...] = ()) -> list[str]:
    content = archive.pack(folder, include=include, exclude=exclude, allow_nested=True)
    return zipfile.ZipFile(io.BytesIO(content)).namelist()


@pytest.mark.parametrize(
    ("ignore", "remaining"),
    [
        ("", ["a.py", "b.log", "data/a.py", "data/keep.csv", "lib/b.log"]),
        ("# a comment\n\n*.log\n", ["a.py", "data/a.py", "data/keep.csv"]),
        ("*.log\r\ndata/\r\n", ["a.py"]),
        ("\ufeff*.log\ndata", ["a.py"]),
        ("/b.log\n/a.py", ["data/a.py", "data/keep.csv", "lib/b.log"]),
        ("data/*\n!data/keep.csv\n*.log\n!/b.log", ["a.py", "b.log", "data/keep.csv"]),
        ("*\n!*.py", ["a.py", "data/a.py"]),
        ("data/\n!data/keep.csv\n*.log", ["a.py", "data/keep.csv"]),  # git would leave it out
        ("**/a.py\nlib/**", ["b.log", "data/keep.csv"]),
    ],
)
def test_ignore_file_has_the_syntax_of_a_gitignore(tmp_path: Path, ignore: str, remaining: list[str]) -> None:
    folder = write_code(tmp_path, "a.py", "b.log", "data/a.py", "data/keep.csv", "lib/b.log", ignore=ignore)
    assert packed_names(folder) == remaining


def test_ignore_file_applies_in_addition_to_include_and_exclude(tmp_path: Path) -> None:
    folder = write_code(tmp_path, "a.py", "b.py", "c.py", "d.md", ignore="a.py")
    assert packed_names(folder, include=["*.py"], exclude=("b.py",)) == ["c.py"]


def test_ignore_file_is_not_packed_and_does_not_change_the_digest(tmp_path: Path) -> None:
    folder = write_code(tmp_path, "a.py", "b.py", ignore="b.py")
    before = archive.digest_folder(folder)
    (folder / "b.py").write_text("changed")
    (folder / ".dlaasignore").write_text("!.dlaasignore\nb.*\n")
    assert packed_names(folder) == ["a.py"]
    assert archive.digest_folder(folder) == before


def test_ignore_file_may_leave_out_files_that_would_be_refused(tmp_path: Path) -> None:
    folder = write_code(tmp_path, "a.py", ".env", ignore="pipe\ndangling\nelsewhere/\n.env\nnested/\n\\*.py")
    os.mkfifo(folder / "pipe")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "elsewhere").symlink_to("/usr")
    (folder / "nested").mkdir()
    (folder / "nested" / os.fsdecode(b"\xff.py")).touch()
    assert zipfile.ZipFile(io.BytesIO(archive.pack(folder))).namelist() == ["a.py"]


def test_ignored_folder_is_not_read(tmp_path: Path) -> None:
    folder = write_code(tmp_path, "a.py", "data/x.csv", ignore="data/")
    (folder / "data" / "loop").symlink_to("loop")
    assert packed_names(folder) == ["a.py"]


def test_error_names_the_ignore_file_that_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match=r"holds no file to pack.*\.dlaasignore"):
        archive.pack(write_code(tmp_path, "a.py", ignore="*"))


@pytest.mark.parametrize(
    ("ignore", "words"),
    [
        (b"\xff\xfed\0a\0t\0a\0", "is not UTF-8: save it as UTF-8"),
        (b"data\n!\n", "line 2: '!' is not a valid pattern"),
        (b"[z-a]", "line 1"),
    ],
)
def test_invalid_ignore_file_is_an_error(tmp_path: Path, ignore: bytes, words: str) -> None:
    folder = write_code(tmp_path / "code", "a.py", ignore=ignore)
    with pytest.raises(InvalidBundle, match=words) as packing:
        archive.pack(folder, target=tmp_path / "code.zip")
    with pytest.raises(InvalidBundle) as digesting:
        archive.digest_folder(folder)
    assert str(packing.value) == str(digesting.value)
    assert not (tmp_path / "code.zip").exists()


def test_ignore_file_that_is_a_broken_link_is_an_error(tmp_path: Path) -> None:
    folder = write_code(tmp_path, "a.py", ignore="")
    (folder / ".dlaasignore").unlink()
    (folder / ".dlaasignore").symlink_to("moved-away")
    with pytest.raises(InvalidBundle, match=r"\.dlaasignore cannot be read"):
        archive.pack(folder)
