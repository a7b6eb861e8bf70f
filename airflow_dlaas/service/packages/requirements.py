"""
What a bundle requires: its ``requirements.txt``, or its ``pyproject.toml`` with ``uv.lock``.

uv gets a text that this module has made of the requirements, and never a file of the author: such a file may name any
file of the machine, and uv's messages would repeat its content.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from airflow_dlaas.service.packages.errors import RequirementsRefused

REQUIREMENTS_FILE = "requirements.txt"
PROJECT_FILE, LOCK_FILE = "pyproject.toml", "uv.lock"

MAX_FILE_SIZE = 16 * 1024**2
"""Bytes of one file; a uv.lock of a large project has 1 MB."""

MAX_INCLUDED_FILES = 20
"""Files that ``-r`` and ``-c`` may name, directly or not."""

URL_OPTIONS = {"-i": "--index-url", "-f": "--find-links"}
PASSED_URL_OPTIONS = ("--index-url", "--extra-index-url", "--find-links")
IGNORED_OPTIONS = ("--prefer-binary", "--require-hashes", "--no-cache-dir")
URL_SCHEMES = ("https", "http", "git+https")

_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[= ]\s*(\S+)")


@dataclass(frozen=True, slots=True)
class RequestedPackages:
    """What a bundle requires."""

    origin: str
    """The file that decides: `REQUIREMENTS_FILE` or `LOCK_FILE`."""
    digest: str
    """Hash of the files as they are, comments included: another comment asks for another resolution."""
    requirements: tuple[str, ...] = ()
    """Lines for uv; empty for `LOCK_FILE`."""
    constraints: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Lines with options, for example ``--extra-index-url https://…``."""
    folder: Path = field(default_factory=Path)
    """The folder of the code."""


def requested_packages(folder: Path) -> RequestedPackages | None:
    """
    Return what the code in *folder* requires; None if it requires nothing.

    :raises RequirementsRefused: a file cannot be read, or has a line that is not supported; the line is named.
    """
    has_text, has_lock = ((folder / name).is_file() for name in (REQUIREMENTS_FILE, LOCK_FILE))
    if has_text and has_lock:
        raise RequirementsRefused(
            f"The code has a {REQUIREMENTS_FILE} and a {LOCK_FILE}: keep the one that decides, and leave the other out"
        )
    if has_lock:
        if not (folder / PROJECT_FILE).is_file():
            raise RequirementsRefused(f"{LOCK_FILE} needs its {PROJECT_FILE}: put it beside it")
        texts = [_read_text(folder, name) for name in (PROJECT_FILE, LOCK_FILE)]
        return RequestedPackages(LOCK_FILE, _digest(texts), folder=folder)
    if not has_text:
        return None
    reader = _Reader(folder)
    reader.read(REQUIREMENTS_FILE, constraints=False)
    if not reader.requirements:
        return None
    return RequestedPackages(
        REQUIREMENTS_FILE,
        _digest(reader.texts),
        tuple(reader.requirements),
        tuple(reader.constraints),
        tuple(reader.options),
        folder,
    )


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a requirements file with their numbers: without comments, and continued lines joined."""
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = _COMMENT.sub("", raw).rstrip()
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        if whole := (pending + line).strip():
            yield start, whole
        pending = ""
    if pending.strip():
        yield start, pending.strip()


def requirement_name(line: str) -> str | None:
    """Return the normalized name of the package in *line*; None if the line is no requirement."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        return canonicalize_name(Requirement(_HASH.sub("", line).strip()).name)
    except InvalidRequirement:
        return None


class _Reader:
    """Reads a requirements file and those that it includes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts: list[str] = []
        self.requirements: list[str] = []
        self.constraints: list[str] = []
        self.options: list[str] = []

    def read(self, name: str, *, constraints: bool) -> None:
        if len(self.texts) > MAX_INCLUDED_FILES:
            raise RequirementsRefused(f"{name}: more than {MAX_INCLUDED_FILES} files include each other")
        text = _read_text(self.folder, name)
        self.texts.append(text)
        for number, line in logical_lines(text):
            where = f"{name}, line {number}"
            if line.startswith("-"):
                self._read_option(line, name, where, constraints=constraints)
            else:
                (self.constraints if constraints else self.requirements).append(checked_requirement(line, where))

    def _read_option(self, line: str, name: str, where: str, *, constraints: bool) -> None:
        option, _, value = line.replace("=", " ", 1).partition(" ") if line.startswith("--") else _short_option(line)
        option, value = URL_OPTIONS.get(option, option), value.strip()
        if option in {"-r", "--requirement", "-c", "--constraint"}:
            included = (Path(name).parent / value).as_posix()
            self.read(included, constraints=constraints or option in {"-c", "--constraint"})
        elif option in PASSED_URL_OPTIONS:
            if urlsplit(value).scheme not in {"https", "http"}:
                raise RequirementsRefused(f"{where}: {option} takes an https:// URL here")
            self.options.append(f"{option} {value}")
        elif option == "--pre":
            self.options.append(option)
        elif option not in IGNORED_OPTIONS:
            raise RequirementsRefused(
                f"{where}: the option {option} is not supported. Code of the bundle itself can be imported without "
                "being installed"
            )


def checked_requirement(line: str, where: str) -> str:
    """
    Return *line*, a requirement, if it is one that may be passed to uv.

    :raises RequirementsRefused: it is no text of PEP 508, or a path.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    hashes, text = _HASH.findall(line), _HASH.sub("", line).strip()
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        hint = "; a path is not supported: wheels belong into the folder DLAAS_WHEELS" if "/" in text else ""
        raise RequirementsRefused(f"{where}: {text!r} is no requirement ({reason}){hint}") from None
    if parsed.url is not None and urlsplit(parsed.url).scheme not in URL_SCHEMES:
        raise RequirementsRefused(f"{where}: the URL of {parsed.name} must begin with https:// or git+https://")
    return " ".join([str(parsed), *(f"--hash={one}" for one in hashes)])


def _short_option(line: str) -> tuple[str, str, str]:
    return line[:2], " ", line[2:]


def _read_text(folder: Path, name: str) -> str:
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise RequirementsRefused(f"{name} is no file of the code")
        if path.stat().st_size > MAX_FILE_SIZE:
            raise RequirementsRefused(f"{name} is larger than {MAX_FILE_SIZE:,} bytes")
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequirementsRefused(f"{name} cannot be read: {error}") from error


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
