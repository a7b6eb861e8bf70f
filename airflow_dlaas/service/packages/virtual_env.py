"""
Small virtual environments on top of another one, made without starting a program: a millisecond, no copy of a package.

Such an environment sees the packages of the one below it, after its own. It works wherever it is moved, also read-only.
Python's venv cannot do that: ``system_site_packages`` are those of the base installation only.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.packages.runtime_python import python_program

CHAIN_FILE = "dlaas.pth"
"""The file by which an environment sees the packages of the one below it."""

MAX_SCRIPT_SIZE = 64 * 1024
"""Bytes of a console script; a larger file in ``bin`` is a program."""

SCRIPT_HEAD = """#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"
' '''
"""
"""The first lines of a script for the Python beside it; see the entry points of ``uv venv --relocatable``."""

PIP_SCRIPT = '#!/bin/sh\nexec "$(dirname -- "$(realpath -- "$0")")/python" -m pip --disable-pip-version-check "$@"\n'

SYSTEM_WHEELS = Path("/usr/share/python-wheels")
"""Where Debian has the wheel of pip for ``ensurepip``."""

NO_PIP_SCRIPT = """#!/bin/sh
echo 'There is no pip in this runtime: list the packages in requirements.txt' >&2
exit 1
"""

_SHEBANG = re.compile(rb"\A#![^\n]*python[0-9.]*[^\n]*\n")
_TRAMPOLINE = re.compile(rb"\A#!/bin/sh\n'''exec'[^\n]*\n' '''\n")
_NOT_FORWARDED = re.compile(r"(python|pypy|activate|deactivate|pip|pydoc)[0-9.]*(\..*)?|.*\.(bat|ps1|py|nu|csh|fish)")


@dataclass(frozen=True, slots=True)
class PythonPrefix:
    """The parts of an installation of Python that a virtual environment on top of it needs."""

    bin_folder: Path
    version: str
    """Name of the folder in lib, for example ``python3.12``."""
    home: str
    """The ``bin`` directory of the base installation."""
    site_folder: Path | None
    """The folder of packages; None: those of the base installation."""
    system_packages: bool
    """Whether it sees the packages of the base installation."""


def read_prefix(bin_folder: Path) -> PythonPrefix:
    """
    Return the installation of Python whose ``bin`` directory is *bin_folder*: a virtual environment, or a base one.

    :raises HostError: it is neither.
    """
    try:
        settings = dict(_settings(bin_folder.parent / "pyvenv.cfg"))
        site_folder = next(iter(sorted(bin_folder.parent.glob("lib/python3*/site-packages"))), None)
        if settings.get("home") and site_folder is not None:
            system = settings.get("include-system-site-packages", "false").lower() == "true"
            return PythonPrefix(bin_folder, site_folder.parent.name, settings["home"], site_folder, system)
        program = "import os, sys; print(*sys.version_info[:2], os.path.dirname(sys.executable))"
        line = [str(python_program(bin_folder)), "-I", "-c", program]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)
        major, minor, home = done.stdout.strip().split(" ", 2)
        return PythonPrefix(bin_folder, f"python{major}.{minor}", home, None, True)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise HostError(f"{bin_folder} is no installation of Python: {error}") from error


def make_virtual_env(folder: Path, below: PythonPrefix) -> Path:
    """
    Make the virtual environment *folder*, without packages; return its folder of packages.

    :raises OSError: it cannot be written.
    """
    site_folder = folder / "lib" / below.version / "site-packages"
    site_folder.mkdir(parents=True)
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").symlink_to(python_program(below.bin_folder))
    for name in ("python3", below.version):
        (bin_folder / name).symlink_to("python")
    (folder / "pyvenv.cfg").write_text(
        f"home = {below.home}\ninclude-system-site-packages = {str(below.system_packages).lower()}\n"
        f"version_info = {below.version.removeprefix('python')}\nrelocatable = true\n",
        encoding="utf-8",
    )
    return site_folder


def chain_virtual_env(folder: Path, below: PythonPrefix, *further: Path) -> None:
    """
    Let the environment *folder* see the packages of *below* and the paths *further*, and run its console scripts.

    The scripts are copied, so that they run with the Python of *folder*; a script of its own stays.
    """
    site_folder = folder / "lib" / below.version / "site-packages"
    lines = [] if below.site_folder is None else [f"import site; site.addsitedir({str(below.site_folder)!r})"]
    lines += [str(path) for path in further]
    (site_folder / CHAIN_FILE).write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    if below.site_folder is not None:  # the bin directory of a base installation has all programs of the machine
        _copy_scripts(below.bin_folder, folder / "bin")


def add_pip(folder: Path, chain: Sequence[PythonPrefix], system_wheels: Path = SYSTEM_WHEELS) -> tuple[Path, ...]:
    """
    Write the script ``pip`` of the environment *folder*; return what must be in its path so that it works.

    *chain* is the environments below it, the nearest first.

    If the runtime has no pip, it is the wheel that Python includes for ``ensurepip``. Without that, the script prints
    what to do, so that no pip of the machine is called instead.
    """
    found: tuple[Path, ...] = ()
    below = chain[0]
    has_pip = any(one.site_folder is None or (one.site_folder / "pip").is_dir() for one in chain)
    if not has_pip:
        bundled = Path(below.home).parent / "lib" / below.version / "ensurepip" / "_bundled"
        wheels = [path for one in (bundled, system_wheels) for path in sorted(one.glob("pip-*.whl"))]
        found = tuple(wheels[:1])
    script = PIP_SCRIPT if has_pip or found else NO_PIP_SCRIPT
    for name in ("pip", "pip3"):
        _write_script(folder / "bin" / name, script.encode())
    return found


def _copy_scripts(source: Path, target: Path) -> None:
    own = {one.name for one in target.iterdir()}
    with os.scandir(source) as found:
        for entry in found:
            if entry.name in own or _NOT_FORWARDED.fullmatch(entry.name) or not entry.is_file():
                continue
            with open(entry.path, "rb", buffering=0) as file:  # noqa: PTH123 - a hundred of them, for each training
                content = file.read(MAX_SCRIPT_SIZE + 1) or b""
            head = _TRAMPOLINE.match(content) or _SHEBANG.match(content)
            if head is not None and len(content) <= MAX_SCRIPT_SIZE:
                _write_script(target / entry.name, SCRIPT_HEAD.encode() + content[head.end() :])


def _write_script(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755), "wb", buffering=0) as file:  # noqa: PTH123
        file.write(content)


def _settings(path: Path) -> list[tuple[str, str]]:
    if not path.is_file():
        return []
    pairs = (line.partition("=") for line in path.read_text("utf-8").splitlines())
    return [(key.strip().lower(), value.strip()) for key, _, value in pairs]
