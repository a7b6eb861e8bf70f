"""Archives of code: packed reproducibly, and verified before they are unpacked."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_dlaas.exceptions import HostError, InvalidBundle
from airflow_dlaas.packaging import archive
from tests.unit.packaging.archives import HIGH_LIMIT, entry

COMPONENT = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\:", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12
).filter(lambda step: step != "__pycache__" and not step.startswith(".") and not step.endswith(".pyc"))
FLAT_FILES = st.dictionaries(COMPONENT, st.tuples(st.binary(max_size=200), st.booleans()), min_size=1, max_size=6)
NESTED_FILES = st.dictionaries(
    st.builds(
        lambda folders, file: "/".join([*(f"in {folder}" for folder in folders), file]),
        st.lists(COMPONENT, max_size=2),
        COMPONENT.map("of {}".format),  # no file has the name of a folder
    ),
    st.tuples(st.binary(max_size=200), st.booleans()),
    min_size=1,
    max_size=6,
)
FEW_EXAMPLES = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)


def write_files(folder: Path, files: Mapping[str, tuple[bytes, bool]], *, time: int = 0) -> Path:
    for name, (content, executable) in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o700 if executable else 0o600)
        os.utime(path, (time, time))
    return folder


def read_files(folder: Path) -> dict[str, tuple[bytes, bool]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
        for path in folder.rglob("*")
        if path.is_file()
    }


def write_code(folder: Path, *names: str) -> Path:
    return write_files(folder, {name: (f"# {name}\n".encode(errors="replace"), False) for name in names})


# ---- packing


@FEW_EXAMPLES
@given(FLAT_FILES)
def test_unpack_restores_the_packed_files(files: dict[str, tuple[bytes, bool]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        archive.pack(write_files(root / "code", files), target=root / "code.zip", allow_secrets=["*"])
        archive.unpack(root / "code.zip", root / "out", unpacked_limit=HIGH_LIMIT)
        assert read_files(root / "out") == files


@FEW_EXAMPLES
@given(NESTED_FILES)
def test_equal_files_give_equal_bytes_and_digests_whatever_their_times_and_order(
    files: dict[str, tuple[bytes, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        one = write_files(Path(name) / "one", files)
        other = write_files(Path(name) / "other", dict(reversed(files.items())), time=1_500_000_000)
        packed, again = (archive.pack(folder, allow_nested=True, allow_secrets=["*"]) for folder in (one, other))
        assert packed == again
        (Path(name) / "code.zip").write_bytes(packed)
        digests = {archive.digest_folder(folder, allow_nested=True, allow_secrets=["*"]) for folder in (one, other)}
        assert digests == {archive.digest_archive(Path(name) / "code.zip")}


def test_nested_folders_are_packed_if_they_are_allowed(tmp_path: Path) -> None:
    files = {"train.py": (b"x", True), "lib/deep/net.py": (b"y", False)}
    archive.pack(write_files(tmp_path / "code", files), target=tmp_path / "code.zip", allow_nested=True)
    archive.unpack(tmp_path / "code.zip", tmp_path / "out", allow_nested=True, unpacked_limit=HIGH_LIMIT)
    assert read_files(tmp_path / "out") == files


@pytest.mark.parametrize(
    "change",
    [{"a": (b"2", False)}, {"a": (b"1", True)}, {"b": (b"1", False)}, {"a": (b"1", False), "b": (b"", False)}],
)
def test_digest_changes_with_content_mode_and_name(tmp_path: Path, change: dict[str, tuple[bytes, bool]]) -> None:
    before = write_files(tmp_path / "before", {"a": (b"1", False)})
    assert archive.digest_folder(before) != archive.digest_folder(write_files(tmp_path / "after", change))


def zip_folder(path: Path, folder: Path, *, level: int | None, folders: bool) -> Path:
    """Zip the files of *folder* as another program, with another zlib, may do."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if level is None else zipfile.ZIP_DEFLATED, True, level) as made:
        for one in sorted(folder.rglob("*"), reverse=True):
            if one.is_dir() and not folders:
                continue
            entry = zipfile.ZipInfo.from_file(one, one.relative_to(folder))
            entry.compress_type = made.compression
            made.writestr(entry, one.read_bytes() if one.is_file() else b"", compresslevel=level)
    return path


@pytest.mark.parametrize("level", [None, 1, 9])
@pytest.mark.parametrize("folders", [False, True])
def test_digest_of_an_archive_is_that_of_its_folder_whatever_program_made_it(
    tmp_path: Path, level: int | None, folders: bool
) -> None:
    files = {"train.py": (b"x" * 5000, True), "lib/net.py": (b"y" * 5000, False), "lib!": (b"", False)}
    folder = write_files(tmp_path / "code", files, time=1_500_000_000)
    made = zip_folder(tmp_path / "code.zip", folder, level=level, folders=folders)
    assert archive.digest_archive(made) == archive.digest_folder(folder, allow_nested=True)


def test_digest_changes_with_an_empty_folder(make_zip: Callable[..., Path]) -> None:
    without = archive.digest_archive(make_zip(("train.py", b"")))
    assert archive.digest_archive(make_zip(("train.py", b""), (entry("out/", 0o40755), b""))) != without


def test_damaged_zip_has_no_digest(tmp_path: Path, make_zip: Callable[..., Path]) -> None:
    path = make_zip(("a.py", b"print('right')"))
    path.write_bytes(path.read_bytes().replace(b"right", b"wrong"))
    with pytest.raises(InvalidBundle, match="is damaged"):
        archive.digest_archive(path)
    with pytest.raises(InvalidBundle, match="unpacks to more than 9 bytes"):
        archive.digest_archive(make_zip(("a.py", b"0123456789")), unpacked_limit=9)


def test_pack_returns_the_bytes_that_it_writes_to_a_file(tmp_path: Path) -> None:
    folder = write_code(tmp_path / "code", "a.py", "b.py")
    archive.pack(folder, target=tmp_path / "code.zip")
    assert (tmp_path / "code.zip").read_bytes() == archive.pack(folder)
    assert [path.name for path in tmp_path.iterdir()].count("code.zip") == len(list(tmp_path.glob("*.zip")))


def test_pack_leaves_bytecode_and_hidden_folders_out(tmp_path: Path) -> None:
    folder = write_code(tmp_path, "a.py", "b.pyc", "__pycache__/a.cpython-311.py", ".git/config", ".venv/lib/x.py")
    assert zipfile.ZipFile(io.BytesIO(archive.pack(folder))).namelist() == ["a.py"]


def test_pack_applies_include_and_exclude(tmp_path: Path) -> None:
    folder = write_code(tmp_path, "a.py", "b.py", "notes.md", "data/x.csv")
    packed = archive.pack(folder, include=["*.py", "*.md"], exclude=["b.*", "data"])
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["a.py", "notes.md"]


def test_link_inside_the_folder_is_packed_as_its_target(tmp_path: Path) -> None:
    folder = write_code(tmp_path, "a.py")
    (folder / "b.py").symlink_to("a.py")
    assert zipfile.ZipFile(io.BytesIO(archive.pack(folder))).read("b.py") == b"# a.py\n"


def test_pack_and_digest_refuse_with_the_same_cause(tmp_path: Path) -> None:
    def why(folder: Path, *, allow_nested: bool = False) -> str:
        with pytest.raises(InvalidBundle) as packing:
            archive.pack(folder, allow_nested=allow_nested)
        with pytest.raises(InvalidBundle) as digesting:
            archive.digest_folder(folder, allow_nested=allow_nested)
        assert str(packing.value) == str(digesting.value)
        return str(packing.value)

    assert "does not exist" in why(tmp_path / "missing")
    assert "is a file" in why(write_code(tmp_path, "file.py") / "file.py")
    (tmp_path / "empty").mkdir()
    assert "holds no file" in why(tmp_path / "empty")
    assert "'lib/net.py' lies in a nested folder" in why(write_code(tmp_path / "nested", "lib/net.py"))
    for name, target, words in [
        ("outside", "/etc/passwd", "leaves the folder"),
        ("dangling", "nowhere", "leads nowhere"),
        ("circle", "link.py", "leads nowhere"),
        ("folder", "lib", "link to a folder"),
    ]:
        folder = write_code(tmp_path / name, "lib/a.py")
        (folder / "link.py").symlink_to(target)
        assert words in why(folder, allow_nested=True)
    os.mkfifo(write_code(tmp_path / "pipe", "a.py") / "pipe")
    assert "neither a file nor a folder" in why(tmp_path / "pipe")
    assert "backslash" in why(write_code(tmp_path / "backslash", "a\\b.py"))
    assert "not UTF-8" in why(write_code(tmp_path / "latin", os.fsdecode(b"\xff.py")))


def test_pack_to_an_unwritable_target_is_a_host_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written"):
        archive.pack(write_code(tmp_path / "code", "a.py"), target=tmp_path / "missing" / "code.zip")


# ---- unpacking


def test_valid_zip_of_another_program_is_unpacked(make_zip: Callable[..., Path], tmp_path: Path) -> None:
    path = make_zip(("train.py", b"x"), (entry("run.sh", 0o100775), b"y"), (entry("dos.py", 0), b"z"))
    archive.unpack(path, tmp_path / "out", unpacked_limit=HIGH_LIMIT)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "out").iterdir()}
    assert modes == {"train.py": 0o644, "run.sh": 0o755, "dos.py": 0o644}


@FEW_EXAMPLES
@given(st.data())
def test_damaged_zip_is_unpacked_completely_or_refused(data: st.DataObject) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("train.py", b"import this\n" * 20)
        made.writestr("net.py", b"x = 1\n")
    content = bytearray(memory.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(len(content) // 2, len(content))) :]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "code.zip"
        path.write_bytes(content)
        try:
            archive.unpack(path, Path(name) / "out", unpacked_limit=HIGH_LIMIT)
        except InvalidBundle:
            assert not (Path(name) / "out").exists()
        else:
            assert all(one.is_file() for one in (Path(name) / "out").iterdir())


def test_unpack_replaces_a_link_instead_of_writing_through_it(make_zip: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.py").symlink_to(tmp_path / "precious")
    archive.unpack(make_zip(("a.py", b"x")), tmp_path / "out", unpacked_limit=HIGH_LIMIT)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "out" / "a.py").is_symlink()


def test_unpack_to_an_unwritable_destination_is_a_host_error(make_zip: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a file")
    with pytest.raises(HostError, match="cannot be unpacked into"):
        archive.unpack(make_zip(("a.py", b"x")), tmp_path / "out", unpacked_limit=HIGH_LIMIT)
