"""Zips of code: made the same every time, and opened with suspicion."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_dlaas.exceptions import HostError, InvalidBundle
from airflow_dlaas.packaging import archive, entries

MANY = 10**9
"""Bytes: a limit that does not matter."""

STEP = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\:", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12
).filter(lambda step: step != "__pycache__" and not step.startswith(".") and not step.endswith(".pyc"))
FLAT = st.dictionaries(STEP, st.tuples(st.binary(max_size=200), st.booleans()), min_size=1, max_size=6)
TREE = st.dictionaries(
    st.builds(
        lambda folders, file: "/".join([*(f"in {folder}" for folder in folders), file]),
        st.lists(STEP, max_size=2),
        STEP.map("of {}".format),  # a file is never where another one's folder is
    ),
    st.tuples(st.binary(max_size=200), st.booleans()),
    min_size=1,
    max_size=6,
)
FAST = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)


def lay(folder: Path, files: Mapping[str, tuple[bytes, bool]], *, time: int = 0) -> Path:
    for name, (content, executable) in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o700 if executable else 0o600)
        os.utime(path, (time, time))
    return folder


def found(folder: Path) -> dict[str, tuple[bytes, bool]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
        for path in folder.rglob("*")
        if path.is_file()
    }


def code(folder: Path, *names: str) -> Path:
    return lay(folder, {name: (f"# {name}\n".encode(errors="replace"), False) for name in names})


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[..., Path]:
    """Make a zip of entries: names with contents, or ready-made ZipInfo."""

    def make(*content: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
        path = tmp_path / "code.zip"
        with zipfile.ZipFile(path, "w") as made:
            for name, data in content:
                made.writestr(name, data)
        return path

    return make


def refusal(path: Path, *, allow_nested: bool = False, unpacked_limit: int = MANY) -> str:
    into = path.parent / "unpacked"
    with pytest.raises(InvalidBundle) as one:
        archive.require_safe_archive(path, allow_nested=allow_nested, unpacked_limit=unpacked_limit)
    with pytest.raises(InvalidBundle):
        archive.unpack(path, into, allow_nested=allow_nested, unpacked_limit=unpacked_limit)
    assert not into.exists()
    return str(one.value)


# ---- packing


@FAST
@given(FLAT)
def test_unpacking_gives_back_what_was_packed(files: dict[str, tuple[bytes, bool]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        archive.pack(lay(root / "code", files), target=root / "code.zip", allow_secrets=["*"])
        archive.unpack(root / "code.zip", root / "out", unpacked_limit=MANY)
        assert found(root / "out") == files


@FAST
@given(TREE)
def test_the_same_files_give_the_same_bytes_and_digest_whenever_and_in_whatever_order_they_were_made(
    files: dict[str, tuple[bytes, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        one = lay(Path(name) / "one", files)
        other = lay(Path(name) / "other", dict(reversed(files.items())), time=1_500_000_000)
        packed, again = (archive.pack(folder, allow_nested=True, allow_secrets=["*"]) for folder in (one, other))
        assert packed == again
        (Path(name) / "code.zip").write_bytes(packed)
        digests = {archive.digest_folder(folder, allow_nested=True, allow_secrets=["*"]) for folder in (one, other)}
        assert digests == {archive.digest_archive(Path(name) / "code.zip")}


def test_nested_folders_survive_where_they_are_allowed(tmp_path: Path) -> None:
    files = {"train.py": (b"x", True), "lib/deep/net.py": (b"y", False)}
    archive.pack(lay(tmp_path / "code", files), target=tmp_path / "code.zip", allow_nested=True)
    archive.unpack(tmp_path / "code.zip", tmp_path / "out", allow_nested=True, unpacked_limit=MANY)
    assert found(tmp_path / "out") == files


@pytest.mark.parametrize(
    "change",
    [{"a": (b"2", False)}, {"a": (b"1", True)}, {"b": (b"1", False)}, {"a": (b"1", False), "b": (b"", False)}],
)
def test_another_content_mode_or_name_is_another_digest(tmp_path: Path, change: dict[str, tuple[bytes, bool]]) -> None:
    before = lay(tmp_path / "before", {"a": (b"1", False)})
    assert archive.digest_folder(before) != archive.digest_folder(lay(tmp_path / "after", change))


def zip_of(path: Path, folder: Path, *, level: int | None, folders: bool) -> Path:
    """Zip the files of *folder*, as another program, another zlib or another machine would."""
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
def test_the_digest_of_a_zip_is_its_folders_whatever_made_it(tmp_path: Path, level: int | None, folders: bool) -> None:
    files = {"train.py": (b"x" * 5000, True), "lib/net.py": (b"y" * 5000, False), "lib!": (b"", False)}
    folder = lay(tmp_path / "code", files, time=1_500_000_000)
    made = zip_of(tmp_path / "code.zip", folder, level=level, folders=folders)
    assert archive.digest_archive(made) == archive.digest_folder(folder, allow_nested=True)


def test_an_empty_folder_counts_since_it_is_unpacked(zipped: Callable[..., Path]) -> None:
    without = archive.digest_archive(zipped(("train.py", b"")))
    assert archive.digest_archive(zipped(("train.py", b""), (entry("out/", 0o40755), b""))) != without


def test_what_is_no_sound_zip_has_no_digest(tmp_path: Path, zipped: Callable[..., Path]) -> None:
    path = zipped(("a.py", b"print('right')"))
    path.write_bytes(path.read_bytes().replace(b"right", b"wrong"))
    with pytest.raises(InvalidBundle, match="is damaged"):
        archive.digest_archive(path)
    with pytest.raises(InvalidBundle, match="unpacks to more than 9 bytes"):
        archive.digest_archive(zipped(("a.py", b"0123456789")), unpacked_limit=9)


def test_bytes_and_file_are_the_same_zip(tmp_path: Path) -> None:
    folder = code(tmp_path / "code", "a.py", "b.py")
    archive.pack(folder, target=tmp_path / "code.zip")
    assert (tmp_path / "code.zip").read_bytes() == archive.pack(folder)
    assert [path.name for path in tmp_path.iterdir()].count("code.zip") == len(list(tmp_path.glob("*.zip")))


def test_what_nobody_wants_stays_out_unasked(tmp_path: Path) -> None:
    folder = code(tmp_path, "a.py", "b.pyc", "__pycache__/a.cpython-311.py", ".git/config", ".venv/lib/x.py")
    assert zipfile.ZipFile(io.BytesIO(archive.pack(folder))).namelist() == ["a.py"]


def test_patterns_choose_and_leave_out(tmp_path: Path) -> None:
    folder = code(tmp_path, "a.py", "b.py", "notes.md", "data/x.csv")
    packed = archive.pack(folder, include=["*.py", "*.md"], exclude=["b.*", "data"])
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["a.py", "notes.md"]


def test_a_link_inside_the_folder_is_packed_as_the_file_it_means(tmp_path: Path) -> None:
    folder = code(tmp_path, "a.py")
    (folder / "b.py").symlink_to("a.py")
    assert zipfile.ZipFile(io.BytesIO(archive.pack(folder))).read("b.py") == b"# a.py\n"


def test_what_cannot_be_packed_is_refused_and_says_why(tmp_path: Path) -> None:
    def why(folder: Path, *, allow_nested: bool = False) -> str:
        with pytest.raises(InvalidBundle) as packing:
            archive.pack(folder, allow_nested=allow_nested)
        with pytest.raises(InvalidBundle) as digesting:
            archive.digest_folder(folder, allow_nested=allow_nested)
        assert str(packing.value) == str(digesting.value)
        return str(packing.value)

    assert "does not exist" in why(tmp_path / "missing")
    assert "is a file" in why(code(tmp_path, "file.py") / "file.py")
    (tmp_path / "empty").mkdir()
    assert "holds no file" in why(tmp_path / "empty")
    assert "'lib/net.py' lies in a nested folder" in why(code(tmp_path / "nested", "lib/net.py"))
    for name, target, words in [
        ("outside", "/etc/passwd", "leaves the folder"),
        ("dangling", "nowhere", "leads nowhere"),
        ("circle", "link.py", "leads nowhere"),
        ("folder", "lib", "link to a folder"),
    ]:
        folder = code(tmp_path / name, "lib/a.py")
        (folder / "link.py").symlink_to(target)
        assert words in why(folder, allow_nested=True)
    os.mkfifo(code(tmp_path / "pipe", "a.py") / "pipe")
    assert "neither a file nor a folder" in why(tmp_path / "pipe")
    assert "backslash" in why(code(tmp_path / "backslash", "a\\b.py"))
    assert "not UTF-8" in why(code(tmp_path / "latin", os.fsdecode(b"\xff.py")))


def test_packing_into_a_place_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written"):
        archive.pack(code(tmp_path / "code", "a.py"), target=tmp_path / "missing" / "code.zip")


# ---- what is no zip


def tar_of(data: bytes) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as made:
        entry = tarfile.TarInfo("train.py")
        entry.size = len(data)
        made.addfile(entry, io.BytesIO(data))
    return memory.getvalue()


TAR = tar_of(b"print()")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"print('hello')", "is not a zip"),
        (TAR, "is a tar, not a zip"),
        (gzip.compress(TAR, mtime=0), "is a tar compressed with gzip (tar.gz), not a zip"),
        (gzip.compress(b"x" * 1000, mtime=0), "is gzip, not a zip"),
        (bz2.compress(TAR), "is a tar compressed with bzip2 (tar.bz2), not a zip"),
        (bz2.compress(b"x"), "is bzip2, not a zip"),
        (lzma.compress(TAR), "is a tar compressed with xz (tar.xz), not a zip"),
        (lzma.compress(b"x"), "is xz, not a zip"),
        (b"7z\xbc\xaf\x27\x1c....", "is a 7z archive, not a zip"),
        (b"Rar!\x1a\x07\x01\x00", "is a rar archive, not a zip"),
        (b"\x1f\x8b broken", "is gzip, not a zip"),
        (b"PK\x03\x04 and no more", "is damaged"),
    ],
)
def test_what_is_no_zip_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "code.zip"
    path.write_bytes(content)
    why = refusal(path)
    assert words in why
    if "not a zip" in words:
        assert "Only zip is accepted" in why


def test_a_zip_hidden_behind_something_else_is_none(tmp_path: Path, zipped: Callable[..., Path]) -> None:
    path = zipped(("a.py", b"x"))
    path.write_bytes(gzip.compress(b"x") + path.read_bytes())
    assert "is gzip" in refusal(path)


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    assert "cannot be opened" in refusal(tmp_path / "missing.zip")


# ---- zips that are refused


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    one = zipfile.ZipInfo(name)
    one.external_attr = mode << 16
    return one


def test_a_sound_zip_made_by_others_is_taken(zipped: Callable[..., Path], tmp_path: Path) -> None:
    path = zipped(("train.py", b"x"), (entry("run.sh", 0o100775), b"y"), (entry("dos.py", 0), b"z"))
    archive.unpack(path, tmp_path / "out", unpacked_limit=MANY)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "out").iterdir()}
    assert modes == {"train.py": 0o644, "run.sh": 0o755, "dos.py": 0o644}


def test_an_empty_zip_is_refused(zipped: Callable[..., Path]) -> None:
    assert "The zip is empty" in refusal(zipped())


def test_folders_alone_are_no_code(zipped: Callable[..., Path]) -> None:
    assert "no file" in refusal(zipped((entry("lib/", 0o40755), b"")), allow_nested=True)


@pytest.mark.parametrize("name", ["lib/net.py", "lib/"])
def test_a_nested_folder_is_refused_with_both_ways_out(zipped: Callable[..., Path], name: str) -> None:
    why = refusal(zipped(("train.py", b""), (name, b"")))
    assert f"{name!r} lies in a nested folder" in why
    assert "first level" in why
    assert "allow_nested" in why


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil.py", "leads out"),
        ("a/../../evil.py", "leads out"),
        ("..", "leads out"),
        ("/etc/passwd", "leads out"),
        ("..\\evil.py", "backslash"),
        ("C:evil.py", "drive letter"),
        ("C:/evil.py", "drive letter"),
        ("a\nb.py", "control character"),
        ("a//b.py", "not a plain file name"),
        ("./a.py", "not a plain file name"),
        ("x" * 256, "256 bytes"),
    ],
)
def test_a_name_that_is_no_plain_relative_path_is_refused(zipped: Callable[..., Path], name: str, words: str) -> None:
    assert words in refusal(zipped((name, b"x")), allow_nested=True)


def test_a_name_with_a_nul_is_refused(zipped: Callable[..., Path]) -> None:
    path = zipped(("a.py0.txt", b"x"))
    path.write_bytes(path.read_bytes().replace(b"a.py0.txt", b"a.py\0.txt"))
    assert "NUL" in refusal(path)


@pytest.mark.parametrize(
    ("mode", "words"),
    [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "neither a file nor a folder"), (stat.S_IFCHR, "neither")],
)
def test_links_and_devices_are_refused(zipped: Callable[..., Path], mode: int, words: str) -> None:
    assert words in refusal(zipped((entry("a.py", mode | 0o777), b"/etc/passwd")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(zipped: Callable[..., Path]) -> None:
    assert "'a.py' is in the zip twice" in refusal(zipped(("a.py", b"1"), ("a.py", b"2")))
    archive.require_safe_archive(zipped(("a.py", b"1"), ("A.py", b"2")), unpacked_limit=MANY)


def test_a_file_that_is_a_folder_too_is_refused(zipped: Callable[..., Path]) -> None:
    assert "as a file and as a folder" in refusal(zipped(("a", b"1"), ("a/b", b"2")), allow_nested=True)


def patched(path: Path, place: bytes, offset: int, value: bytes, *, local: int | None = None) -> Path:
    """Overwrite a field of the only entry's directory record, and at *local* of its own header."""
    data = bytearray(path.read_bytes())
    at = data.index(place) + offset
    data[at : at + len(value)] = value
    if local is not None:
        data[local : local + len(value)] = value
    path.write_bytes(data)
    return path


DIRECTORY = b"PK\x01\x02"


def test_an_encrypted_entry_is_refused(zipped: Callable[..., Path]) -> None:
    assert "is encrypted" in refusal(patched(zipped(("a.py", b"x")), DIRECTORY, 8, b"\x01\x00", local=6))


def test_an_exotic_compression_is_refused(zipped: Callable[..., Path]) -> None:
    assert "usual method" in refusal(patched(zipped(("a.py", b"x")), DIRECTORY, 10, b"\x0e\x00", local=8))


def test_a_flipped_bit_is_found(zipped: Callable[..., Path]) -> None:
    path = zipped(("a.py", b"print('right')"))
    path.write_bytes(path.read_bytes().replace(b"right", b"wrong"))
    assert "'a.py' in the zip is damaged" in refusal(path)


def test_a_zip_that_says_it_unpacks_to_too_much_is_refused(zipped: Callable[..., Path]) -> None:
    path = zipped(("a.py", b"x" * 600), ("b.py", b"x" * 600))
    assert "unpacks to more than 1,199 bytes" in refusal(path, unpacked_limit=1199)
    archive.require_safe_archive(path, unpacked_limit=1200)


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.py", bytes(50_000_000))
    patched(path, DIRECTORY, 24, struct.pack("<I", 10), local=22)
    assert "damaged" in refusal(path, unpacked_limit=1000)


def test_too_many_entries_are_refused(zipped: Callable[..., Path]) -> None:
    path = zipped(*((f"{number}.py", b"") for number in range(entries.MAX_ENTRIES + 1)))
    assert "10,001 entries, and the maximum is 10,000" in refusal(path)


def test_a_list_of_entries_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "code.zip"
    size = archive.MAX_CENTRAL_DIRECTORY_BYTES + 1
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(4 + size)
        file.seek(0, os.SEEK_END)
        file.write(struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, size, 4, 0))
    assert "far more than 10,000 entries" in refusal(path)


@FAST
@given(st.data())
def test_a_damaged_zip_is_sound_or_refused_and_nothing_else(data: st.DataObject) -> None:
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
            archive.unpack(path, Path(name) / "out", unpacked_limit=MANY)
        except InvalidBundle:
            assert not (Path(name) / "out").exists()
        else:
            assert all(one.is_file() for one in (Path(name) / "out").iterdir())


# ---- unpacking


def test_unpacking_replaces_a_link_and_never_writes_through_it(zipped: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.py").symlink_to(tmp_path / "precious")
    archive.unpack(zipped(("a.py", b"x")), tmp_path / "out", unpacked_limit=MANY)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "out" / "a.py").is_symlink()


def test_a_place_that_cannot_be_written_is_not_blamed_on_the_zip(zipped: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a file")
    with pytest.raises(HostError, match="cannot be unpacked into"):
        archive.unpack(zipped(("a.py", b"x")), tmp_path / "out", unpacked_limit=MANY)
