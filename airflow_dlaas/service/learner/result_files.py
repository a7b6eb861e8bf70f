"""What a training leaves behind, under which names it is stored, and what cannot be stored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.contract.store_names import MAX_OBJECT_NAME_BYTES
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.learner.command_env import CHECKPOINTS, COMMAND_FOLDERS, DATA, LOGS, RESULTS, TEMPORARY

LEARNER_LOG = "learner.log"
"""What the learner itself says in its last need; for the service's operator, not for the results."""

OBJECT_PREFIXES = {RESULTS: "", CHECKPOINTS: "checkpoints/", LOGS: "learner-1/"}
"""The job's folders that are stored, and what their files' names begin with."""

TRAINING_LOG_NAME = f"{OBJECT_PREFIXES[LOGS]}training-log.txt"

MAX_LINKED_FOLDERS = 1000
"""Links to folders that are followed: folders full of links to each other have no end."""

FILE_TYPE_NAMES = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class UnstoredFile:
    """Something that is not stored."""

    name: str
    """Where it would be below the training's results, on one line."""
    reason: str
    has_content: bool = True
    """Whether something is lost with it; a pipe or a link has nothing of its own."""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """Files by the names of their objects, without links: each is the file itself."""

    results: dict[str, Path] = field(default_factory=dict)
    """The model, checkpoints and whatever else the command left."""
    logs: dict[str, Path] = field(default_factory=dict)
    skipped: list[UnstoredFile] = field(default_factory=list)


def find_result_files(job: JobDirectory, training_id: str, *, sandboxed: bool = False) -> ResultFiles:
    """
    Find everything to store.

    ``<id>/…`` is what lies in RESULT_DIR (the model in ``<id>/model/``), ``<id>/checkpoints/…``, and
    ``<id>/learner-1/…`` the logs, the command's as ``training-log.txt``.

    A link counts as what it points to, if that lies in one of the job's own folders; nothing else of the machine is
    ever read. Of training data only single files are stored that way: all of it lies in its container already.

    :param sandboxed: the command saw the job's folder for temporary files as /tmp.
    """
    walk = _FolderScan(job, f"{training_id}/", sandboxed)
    if job.log.is_file() and not job.log.is_symlink():
        walk.found.logs[f"{training_id}/{TRAINING_LOG_NAME}"] = job.log
    for folder in (LOGS, RESULTS, CHECKPOINTS):
        walk.scan_folder(folder)
    walk.skip_conflicting_files()
    return walk.found


def stored_path(job: JobDirectory, folder: Path) -> str | None:
    """Say under which name below the training's *folder* is stored; None where it is not."""
    for name, prefix in OBJECT_PREFIXES.items():
        if folder.is_relative_to(job.subdirectory(name)):
            return f"{prefix}{folder.relative_to(job.subdirectory(name)).as_posix()}".removesuffix("/.")
    return None


def printable_name(name: str) -> str:
    """Return *name* on one line and in UTF-8, whatever bytes it is made of."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


@dataclass(frozen=True, slots=True)
class _PendingFolder:
    """A folder to look into, and the name of what is in it."""

    path: str
    name: str
    links: tuple[str, ...] = ()
    """Where the links lie that led here."""


class _FolderScan:
    """One search through a job's folders."""

    def __init__(self, job: JobDirectory, prefix: str, sandboxed: bool) -> None:
        self._prefix = prefix
        self._sandboxed = sandboxed
        # Not resolved themselves: a command may have put a link in a folder's place.
        self._root = Path(os.path.realpath(job.path))
        self._linked_count = 0
        self.found = ResultFiles()

    def scan_folder(self, folder: str) -> None:
        """Take in one of the job's folders, or what is in its place."""
        path, name = str(self._root / folder), OBJECT_PREFIXES[folder]
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            return  # removed by the command
        if stat.S_ISDIR(mode):
            self._scan_tree(_PendingFolder(path, name))
        for one in () if stat.S_ISDIR(mode) else self._add_entry(path, f"{name}{folder}", mode, (), folder_name=name):
            self._scan_tree(one)

    def skip_conflicting_files(self) -> None:
        """Leave out files with the names of other folders' results: on a disk the two cannot be side by side."""
        results = self.found.results
        for folder in filter(None, OBJECT_PREFIXES.values()):
            name = self._prefix + folder.removesuffix("/")
            if name in results and any(one.startswith(f"{name}/") for one in (*results, *self.found.logs)):
                del results[name]
                self._skip(folder.removesuffix("/"), "a folder has that name, too")

    def _scan_tree(self, top: _PendingFolder) -> None:
        left = [top]
        while left:
            folder = left.pop()
            try:
                names = sorted(_list_names(folder.path))
            except OSError as error:
                self._skip(folder.name, f"the folder cannot be read ({error.strerror})")
                continue
            for one in names:
                if (folder.name, one) == (OBJECT_PREFIXES[LOGS], LEARNER_LOG):
                    continue
                try:
                    mode = os.lstat(f"{folder.path}/{one}").st_mode
                    left.extend(self._add_entry(f"{folder.path}/{one}", f"{folder.name}{one}", mode, folder.links))
                except OSError as error:
                    self._skip(f"{folder.name}{one}", error.strerror or str(error))

    def _add_entry(
        self, path: str, name: str, mode: int, links: tuple[str, ...], *, folder_name: str | None = None
    ) -> Iterator[_PendingFolder]:
        """Take in a file, or give the folder to look into."""
        if (why := self._invalid_name_reason(name)) is not None:
            self._skip(name, f"{why}, nothing in this folder is stored" if stat.S_ISDIR(mode) else why)
        elif stat.S_ISLNK(mode):
            yield from self._add_link(path, name, links, f"{name}/" if folder_name is None else folder_name)
        elif stat.S_ISDIR(mode):
            yield _PendingFolder(path, f"{name}/", links)
        elif stat.S_ISREG(mode):
            self._add_file(path, name)
        else:
            self._skip(name, FILE_TYPE_NAMES.get(stat.S_IFMT(mode), "no regular file"), has_content=False)

    def _add_link(self, path: str, name: str, links: tuple[str, ...], folder_name: str) -> Iterator[_PendingFolder]:
        try:
            real = os.path.realpath(self._link_target(path), strict=True)
            mode = os.lstat(real).st_mode
        except OSError as error:
            self._skip(name, f"a link that leads nowhere ({error.strerror})", has_content=False)
            return
        home = next((one for one in COMMAND_FOLDERS if Path(real).is_relative_to(self._root / one)), None)
        here = os.path.dirname(path)  # noqa: PTH120
        if home is None:
            self._skip(name, "a link out of the training's folders", has_content=False)
        elif home == DATA and (links or stat.S_ISDIR(mode)):
            self._skip(name, "a link to training data, which lies in its own container", has_content=False)
        elif not stat.S_ISDIR(mode):
            yield from self._add_entry(real, name, mode, links)
        elif any(Path(one).is_relative_to(real) for one in (here, *links)):
            self._skip(name, "a link to a folder that it lies in", has_content=False)
        elif self._linked_count == MAX_LINKED_FOLDERS:
            self._skip(name, f"more than {MAX_LINKED_FOLDERS} links to folders", has_content=False)
        else:
            self._linked_count += 1
            yield _PendingFolder(real, folder_name, (*links, here))

    def _link_target(self, path: str) -> str:
        """Return where the link at *path* led for the command, as a path of this machine."""
        target = Path(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH120
        for tmp in ("/tmp", "/var/tmp") if self._sandboxed else ():  # noqa: S108  (the sandbox's)
            if target.is_relative_to(tmp) and not target.is_relative_to(self._root):
                return str(self._root / TEMPORARY / target.relative_to(tmp))
        return str(target)

    def _add_file(self, path: str, name: str) -> None:
        files = self.found.logs if name.startswith(OBJECT_PREFIXES[LOGS]) else self.found.results
        if not os.access(path, os.R_OK) and not _make_readable(path, stat.S_IRUSR):
            self._skip(name, "it cannot be read")
        elif self._prefix + name in files:
            self._skip(name, "another file is stored under that name")
        else:
            files[self._prefix + name] = Path(path)

    def _invalid_name_reason(self, name: str) -> str | None:
        try:
            length = len((self._prefix + name).encode())
        except UnicodeEncodeError:
            return "its name is not UTF-8"
        if length > MAX_OBJECT_NAME_BYTES:
            return f"its name would be {length} bytes long, and an object store takes {MAX_OBJECT_NAME_BYTES}"
        return None

    def _skip(self, name: str, reason: str, *, has_content: bool = True) -> None:
        self.found.skipped.append(UnstoredFile(printable_name(name), reason, has_content))


def _list_names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  (a Path for each of many files costs more)
    except PermissionError:
        if not _make_readable(folder, stat.S_IRWXU):
            raise
        return os.listdir(folder)  # noqa: PTH208


def _make_readable(path: str, bits: int) -> bool:
    """Give the owner, who is this process's user as a rule, the right to read what the command has closed."""
    try:
        os.chmod(path, os.stat(path).st_mode | bits)  # noqa: PTH101, PTH116
    except OSError:
        return False
    return os.access(path, os.R_OK)
