"""Patterns: a text is one pattern in every parameter for patterns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_dlaas.contract.patterns import parse_object_names, parse_patterns
from airflow_dlaas.exceptions import InvalidArgument, InvalidBundle, InvalidName, NothingSelected
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.sources.local import local_sources
from airflow_dlaas.storage.sources.remote import remote_sources
from airflow_dlaas.storage.transfer.api import (
    DownloadOptions,
    UploadOptions,
    delete_objects,
    download,
    plan_upload,
    upload,
)
from airflow_dlaas.storage.transfer.plan import planned_deletions
from tests.memory_store import MemoryStore
from tests.unit.storage.transfer.test_plan import stored

SelectFiles = Callable[[Path, str, Any], list[str]]
"""Given a folder, the name of a parameter and its value, returns the files that the call selects."""


class TextSequence(Sequence[str]):
    """A sequence that is not a list, as Airflow passes the results of mapped tasks."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def __getitem__(self, index: Any) -> Any:
        return self.texts[index]

    def __len__(self) -> int:
        return len(self.texts)


def test_parse_patterns_reads_a_text_as_one_pattern_and_a_list_as_several() -> None:
    assert parse_patterns(None, "include") is None
    assert parse_patterns("*.csv", "include") == ("*.csv",)
    assert (
        parse_patterns(["*.csv", "a"], "include")
        == parse_patterns(TextSequence("*.csv", "a"), "include")
        == ("*.csv", "a")
    )
    assert parse_patterns((), "include") == ()
    for literal in ("[abc]", "[0-9]", "(a)", "[1]", "['ab]"):
        assert parse_patterns(literal, "include") == (literal,)


INVALID_VALUES: list[Any] = [
    0,
    1,
    1.5,
    True,
    b"*.csv",
    {"*.csv": 1},
    {"*.csv"},
    iter(["a"]),
    Path("a"),
    "",
    [""],
    ["a", 1],
]
INVALID_VALUES += [[["a"]], [None], [b"a"], "['a', 'b']", "[]", "('a',)", ["['a']"]]


@pytest.mark.parametrize("value", INVALID_VALUES)
@pytest.mark.parametrize("read", [parse_patterns, parse_object_names])
def test_invalid_value_is_refused_with_the_name_of_the_parameter(read: Callable[..., Any], value: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^field(\[\d\])?: "):
        read(value, "field")


def test_parse_object_names_checks_the_names() -> None:
    assert parse_object_names("day/a") == ("day/a",)
    with pytest.raises(InvalidName, match=r"^names\[1\]: "):
        parse_object_names(["a", "../b"])


# ---- every function with a parameter for patterns


def _local(folder: Path, parameter: str, value: Any) -> list[str]:
    return sorted(one.name for one in local_sources(folder, **{parameter: value}))


def _upload(folder: Path, parameter: str, value: Any) -> list[str]:
    store = MemoryStore()
    upload(store, folder, "c", UploadOptions(**{parameter: value}))
    return sorted(store.objects)


def _plan_upload(folder: Path, parameter: str, value: Any) -> list[str]:
    return sorted(
        one.name for one in plan_upload(MemoryStore(), folder, "c", UploadOptions(**{parameter: value})).uploads
    )


def _remote(folder: Path, parameter: str, value: Any) -> list[str]:
    fs = MemoryFileSystem()
    for path in folder.rglob("*"):
        if path.is_file():
            fs.pipe_file(f"{folder}/{path.relative_to(folder)}", path.read_bytes())
    return sorted(one.name for one in remote_sources(fs, str(folder), f"memory:/{folder}", **{parameter: value}))


def _pack(folder: Path, parameter: str, value: Any) -> list[str]:
    target = folder.with_name("code.zip")
    archive.pack(folder, target=target, allow_nested=True, **{parameter: value})
    archive.unpack(target, folder.with_name("unpacked"), allow_nested=True, unpacked_limit=10**6)
    unpacked = folder.with_name("unpacked")
    return sorted(one.relative_to(unpacked).as_posix() for one in unpacked.rglob("*") if one.is_file())


def _planned_deletions(folder: Path, parameter: str, value: Any) -> list[str]:
    names = [one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()]
    return sorted(one.name for one in planned_deletions([], [stored(name) for name in names], "", **{parameter: value}))


SELECT_FUNCTIONS: list[SelectFiles] = [_local, _upload, _plan_upload, _remote, _pack, _planned_deletions]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name in ("a.csv", "b.tmp", "deep/c.csv", "s", "v"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.mark.parametrize("select", SELECT_FUNCTIONS)
@pytest.mark.parametrize(
    ("parameter", "value", "selected"),
    [
        ("include", "*.csv", ["a.csv", "deep/c.csv"]),
        ("include", ["*.csv"], ["a.csv", "deep/c.csv"]),
        ("include", None, ["a.csv", "b.tmp", "deep/c.csv", "s", "v"]),
        ("exclude", "*.tmp", ["a.csv", "deep/c.csv", "s", "v"]),
        ("exclude", "deep", ["a.csv", "b.tmp", "s", "v"]),
        ("exclude", None, ["a.csv", "b.tmp", "deep/c.csv", "s", "v"]),
    ],
)
def test_text_is_one_pattern_in_every_function(
    folder: Path, select: SelectFiles, parameter: str, value: Any, selected: list[str]
) -> None:
    assert select(folder, parameter, value) == selected


@pytest.mark.parametrize("select", SELECT_FUNCTIONS)
@pytest.mark.parametrize("parameter", ["include", "exclude"])
@pytest.mark.parametrize("value", [1, b"*", "", {"a": 1}, "['*.csv']"])
def test_invalid_pattern_is_refused_by_every_function(
    folder: Path, select: SelectFiles, parameter: str, value: Any
) -> None:
    with pytest.raises(InvalidArgument, match=rf"^{parameter}: "):
        select(folder, parameter, value)


@pytest.mark.parametrize("select", [_local, _upload, _plan_upload, _remote])
@pytest.mark.parametrize("parameter", ["include", "exclude"])
def test_error_names_the_patterns_that_select_nothing(folder: Path, select: SelectFiles, parameter: str) -> None:
    value = "*.none" if parameter == "include" else "*"
    with pytest.raises(NothingSelected, match=rf"/data: {parameter} \['{value[0]}.*select no file in it"):
        select(folder, parameter, value)


@pytest.mark.parametrize("select", [_local, _remote])
def test_patterns_are_compared_with_a_single_file(folder: Path, select: SelectFiles) -> None:
    if select is _remote:
        _remote(folder, "include", None)
        fs = MemoryFileSystem()
        with pytest.raises(NothingSelected):
            remote_sources(fs, f"{folder}/a.csv", "memory://a.csv", "*.tmp")
        assert [one.name for one in remote_sources(fs, f"{folder}/a.csv", "memory://a.csv", "*.csv")] == ["a.csv"]
        return
    with pytest.raises(NothingSelected):
        local_sources(folder / "a.csv", "*.tmp")
    assert [one.name for one in local_sources(folder / "a.csv", "*.csv")] == ["a.csv"]


def test_allow_secrets_accepts_one_pattern_as_a_text(tmp_path: Path) -> None:
    """If each letter counted as a pattern, ``*`` would allow every file."""
    for name in (".env", "id_rsa", "server.pem"):
        (tmp_path / name).write_text("-----BEGIN PRIVATE KEY-----\n" if name.endswith("pem") else "SECRET=1")
    with pytest.raises(InvalidBundle, match=r"'\.env'.*'id_rsa'"):
        archive.pack(tmp_path, allow_secrets="*.pem")
    (tmp_path / ".env").unlink()
    (tmp_path / "id_rsa").unlink()
    assert archive.pack(tmp_path, allow_secrets="*.pem") == archive.pack(tmp_path, allow_secrets=["*.pem"])
    with pytest.raises(InvalidArgument, match=r"^allow_secrets\[0\]: "):
        archive.pack(tmp_path, allow_secrets=[1])  # type: ignore[list-item]
    assert archive.digest_folder(tmp_path, allow_secrets="*.pem")


def test_delete_removes_nothing_if_the_pattern_selects_no_file(tmp_path: Path) -> None:
    """If each letter counted as a pattern, ``*`` would match every object of the container."""
    store = MemoryStore(**{"old.csv": b"1", "notes.md": b"2"})
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(NothingSelected):
        upload(store, tmp_path, "c", UploadOptions(include="*.csv", delete=True))
    assert sorted(store.objects) == ["notes.md", "old.csv"]
    (tmp_path / "new.csv").write_text("x")
    assert upload(store, tmp_path, "c", UploadOptions(include="*.csv", delete=True)).deleted == 1
    assert sorted(store.objects) == ["new.csv", "notes.md"]


def test_names_accepts_one_object_name_as_a_text(tmp_path: Path) -> None:
    store = MemoryStore(a=b"1", b=b"2", ab=b"3")
    assert delete_objects(store, "c", names="ab") == ["ab"]
    assert sorted(store.objects) == ["a", "b"]
    download(store, "c", tmp_path, DownloadOptions(names="a"))
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("pattern", ["/keep", "/", "./keep/*", "../keep", "*.tmp\n", "\nkeep"])
@pytest.mark.parametrize("given", [str, lambda text: ["a", text]])
def test_pattern_that_can_match_no_file_is_refused(pattern: str, given: Callable[[str], Any]) -> None:
    """Such a pattern would exclude nothing, and *delete* would remove objects that must stay."""
    with pytest.raises(InvalidArgument, match=r"^exclude(\[1\])?: .* matches no file"):
        parse_patterns(given(pattern), "exclude")


@pytest.mark.parametrize("pattern", [".env", ".cache/", "..keep", "keep/", "a b"])
def test_pattern_may_contain_dots_and_slashes(pattern: str) -> None:
    assert parse_patterns(pattern, "exclude") == (pattern,)
