"""Finds the files of a training's results and logs, their object names, and what cannot be stored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.contract.data_manifest import MANIFEST_BASENAME
from airflow_dlaas.contract.store_names import MAX_OBJECT_NAME_BYTES
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.learner.command_env import (
    CHECKPOINTS,
    COMMAND_FOLDERS,
    DATA,
    DATA_FILES,
    LOGS,
    RESULTS,
    TEMPORARY,
)

LEARNER_LOG = "learner.log"
"""The learner's own log of warnings and unexpected errors, for the operator of the service. It is not uploaded with the
results."""

OBJECT_PREFIXES = {RESULTS: "", CHECKPOINTS: "checkpoints/", LOGS: "learner-1/"}
"""Folders of the job directory that are stored, with the prefix of their objects' names."""

TRAINING_LOG_NAME = f"{OBJECT_PREFIXES[LOGS]}training-log.txt"

MAX_LINKED_FOLDERS = 1000
"""Links to folders that are followed: folders that link to each other would have no end."""

FILE_TYPE_NAMES = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class UnstoredFile:
    """A file or folder that is not stored."""

    name: str
    """Its name below the training's results, printable on one line."""
    reason: str
    has_content: bool = True
    """Whether content is lost; a pipe or a link has none."""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """Files by object name; links are resolved."""

    results: dict[str, Path] = field(default_factory=dict)
    """The model, checkpoints and other files of the command."""
    logs: dict[str, Path] = field(default_factory=dict)
    skipped: list[UnstoredFile] = field(default_factory=list)


def find_result_files(job: JobDirectory, results_folder: str, *, sandboxed: bool = False) -> ResultFiles:
    """
    Find all files to store.

    In the folder *results_folder* of the container, RESULT_DIR becomes ``…`` (the model is in ``model/…``),
    CHECKPOINT_DIR ``checkpoints/…``, and the logs ``learner-1/…``, the command's as ``training-log.txt``. The manifest
    of the training data is beside them; a file of the command of this name is not stored.

    A link to a file or a folder in the job's own folders is stored as its target; nothing else of the machine is read.
    Of training data only single linked files are stored, because the data is in its container.

    :param sandboxed: the command saw the job's folder of temporary files as /tmp.
    """
    scan = _FolderScan(job, f"{results_folder}/", sandboxed)
    if job.log.is_file() and not job.log.is_symlink():
        scan.found.logs[f"{results_folder}/{TRAINING_LOG_NAME}"] = job.log
    if job.data_manifest.is_file() and not job.data_manifest.is_symlink():
        scan.found.results[f"{results_folder}/{MANIFEST_BASENAME}"] = job.data_manifest
    for folder in (LOGS, RESULTS, CHECKPOINTS):
        scan.scan_folder(folder)
    scan.skip_conflicting_files()
    return scan.found


def stored_path(job: JobDirectory, folder: Path) -> str | None:
    """Return the name of *folder* below the training's results; None if it is not stored."""
    for name, prefix in OBJECT_PREFIXES.items():
        if folder.is_relative_to(job.subdirectory(name)):
            return f"{prefix}{folder.relative_to(job.subdirectory(name)).as_posix()}".removesuffix("/.")
    return None


def printable_name(name: str) -> str:
    """Return *name* printable on one line and in UTF-8."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


@dataclass(frozen=True, slots=True)
class _PendingFolder:
    """A folder to scan, and the name prefix of its entries."""

    path: str
    name: str
    links: tuple[str, ...] = ()
    """Folders of the links that led here."""


class _FolderScan:
    """One scan of a job's folders."""

    def __init__(self, job: JobDirectory, prefix: str, sandboxed: bool) -> None:
        self._prefix = prefix
        self._sandboxed = sandboxed
        # The folders themselves are not resolved: a command may have replaced one by a link.
        self._root = Path(os.path.realpath(job.path))
        self._linked_count = 0
        self.found = ResultFiles()

    def scan_folder(self, folder: str) -> None:
        """Add one of the job's folders, or what a command has put at its path."""
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
        """Skip files that have the name of a folder: a download could not write both."""
        results = self.found.results
        for folder in filter(None, OBJECT_PREFIXES.values()):
            name = self._prefix + folder.removesuffix("/")
            if name in results and any(one.startswith(f"{name}/") for one in (*results, *self.found.logs)):
                del results[name]
                self._skip(folder.removesuffix("/"), "a folder has the same name")

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
        """Add a file, or yield the folder to scan."""
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
            self._skip(name, f"a broken link ({error.strerror})", has_content=False)
            return
        homes = (*COMMAND_FOLDERS, DATA_FILES)
        home = next((one for one in homes if Path(real).is_relative_to(self._root / one)), None)
        here = os.path.dirname(path)  # noqa: PTH120
        if home is None:
            self._skip(name, "a link out of the training's folders", has_content=False)
        elif home in {DATA, DATA_FILES} and (links or stat.S_ISDIR(mode)):
            self._skip(name, "a link to training data, which is stored in its own container", has_content=False)
        elif not stat.S_ISDIR(mode):
            yield from self._add_entry(real, name, mode, links)
        elif any(Path(one).is_relative_to(real) for one in (here, *links)):
            self._skip(name, "a link to a folder that contains it", has_content=False)
        elif self._linked_count == MAX_LINKED_FOLDERS:
            self._skip(name, f"more than {MAX_LINKED_FOLDERS} links to folders", has_content=False)
        else:
            self._linked_count += 1
            yield _PendingFolder(real, folder_name, (*links, here))

    def _link_target(self, path: str) -> str:
        """Return the target of the link at *path* as the command saw it, as a path of this machine."""
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
            return f"its name has {length} bytes, and an object store permits {MAX_OBJECT_NAME_BYTES}"
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
    """Give the owner the right to read again; the owner usually is this process's user."""
    try:
        os.chmod(path, os.stat(path).st_mode | bits)  # noqa: PTH101, PTH116
    except OSError:
        return False
    return os.access(path, os.R_OK)
