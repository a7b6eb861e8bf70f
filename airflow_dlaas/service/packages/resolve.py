"""Resolves what a bundle requires into a lock: exact versions with hashes, without the runtime's own packages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from airflow_dlaas.service.packages.errors import RequirementsRefused
from airflow_dlaas.service.packages.index_access import UvRunner
from airflow_dlaas.service.packages.layer import TEMPORARY_PREFIX
from airflow_dlaas.service.packages.requirements import (
    LOCK_FILE,
    PROJECT_FILE,
    RequestedPackages,
    checked_requirement,
    logical_lines,
    requirement_name,
)
from airflow_dlaas.service.packages.runtime_python import RuntimePython, write_placeholder_wheels

MAX_NAMED_PACKAGES = 12
"""Packages of the runtime that an error names."""


def resolve(
    requested: RequestedPackages, runtime: RuntimePython, runner: UvRunner, folder: Path, *, allow_build: bool
) -> str:
    """
    Return the lock of *requested*: one line for each package, empty if the runtime has everything.

    The runtime's packages stay as they are: each is a constraint of its exact version.

    :param folder: a folder for temporary files, in which no other user can put settings of uv.
    :param allow_build: whether packages without a wheel may be built; that runs their code in this process's place.
    :raises RequirementsRefused: there is no solution; with the resolver's words.
    :raises HostError: the index does not answer, the disk is full, or uv does not start.
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as name:
        temporary = Path(name)
        if requested.origin == LOCK_FILE:
            lines = _export(requested, runtime, runner, temporary)
            _require_runtime_versions(lines, runtime)
        else:
            lines = _compile(requested, runtime, runner, temporary, allow_build=allow_build)
    owned = {one.name for one in runtime.packages}
    missing = [line for line in lines if requirement_name(line) not in owned]
    return "".join(f"{line}\n" for line in (*requested.options, *missing)) if missing else ""


def _compile(
    requested: RequestedPackages, runtime: RuntimePython, runner: UvRunner, folder: Path, *, allow_build: bool
) -> list[str]:
    write_placeholder_wheels(runtime.packages, folder / "runtime")
    _write_lines(folder / "requirements.in", [*requested.options, *requested.requirements])
    pinned = [f"{one.name}=={one.version}" for one in runtime.packages]
    _write_lines(folder / "constraints.txt", [*requested.constraints, *pinned])
    arguments = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes"]
    arguments += ["--python", str(runtime.program), "--constraints", "constraints.txt", "-o", "lock.txt"]
    arguments += [] if allow_build else ["--no-build"]
    arguments += ["--no-index"] if runner.offline else []
    try:
        what = f"The packages of {requested.origin} cannot be resolved"
        runner.run(what, *arguments, "requirements.in", workdir=folder, find_links=folder / "runtime")
    except RequirementsRefused as error:
        involved = [one for one in pinned if f" {one}" in str(error)]
        if not involved:
            raise
        named = ", ".join(involved[:MAX_NAMED_PACKAGES])
        raise RequirementsRefused(f"{error}\nThe runtime has {named}; its own packages are not replaced") from None
    return list(_locked_lines(folder / "lock.txt"))


def _export(requested: RequestedPackages, runtime: RuntimePython, runner: UvRunner, folder: Path) -> list[str]:
    # A copy of the two files: uv would also read a .python-version, or start the Python of a .venv beside them.
    for name in (PROJECT_FILE, LOCK_FILE):
        (folder / name).write_bytes((requested.folder / name).read_bytes())
    runner.run(
        f"{LOCK_FILE} cannot be read",
        *("export", "--quiet", "--frozen", "--no-config", "--no-header", "--no-annotate"),
        *("--no-emit-project", "--no-dev", "--format", "requirements.txt", "--python", str(runtime.program)),
        *("-o", "lock.txt"),
        workdir=folder,
    )
    return [checked_requirement(line, LOCK_FILE) for line in _locked_lines(folder / "lock.txt")]


def _require_runtime_versions(lines: Iterable[str], runtime: RuntimePython) -> None:
    """Check that a lock has the runtime's own packages in the runtime's versions."""
    from packaging.requirements import Requirement

    versions = {one.name: one.version for one in runtime.packages}
    for line in lines:
        parsed = Requirement(line.split(" --hash", 1)[0])
        has = versions.get(requirement_name(line) or "")
        if has is None or (parsed.marker is not None and not parsed.marker.evaluate()):
            continue
        if not parsed.specifier.contains(has, prereleases=True):
            raise RequirementsRefused(
                f"{LOCK_FILE} has {parsed.name}{parsed.specifier}, and the runtime has {parsed.name} {has}, which is "
                f"not replaced: lock that version, or use a runtime without {parsed.name}"
            )


def _locked_lines(path: Path) -> Iterator[str]:
    for _, line in logical_lines(path.read_text("utf-8")):
        if not line.startswith("-"):
            yield " ".join(line.split())


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
