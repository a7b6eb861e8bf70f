"""The Python of a runtime and its packages: what an environment on top of it must know."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import HostError

INSPECT_TIMEOUT = 60.0
"""Seconds for a Python to list its packages; it takes less than one."""

# Of two versions of a package in sys.path, the first is imported.
_INSPECT_PROGRAM = """
import importlib.metadata as m, json, platform, sys
seen, found = set(), []
for one in m.distributions():
    name = one.metadata["Name"]
    if name and name.lower().replace("_", "-") not in seen:
        seen.add(name.lower().replace("_", "-"))
        found.append([name, one.version, list(one.requires or ()), one.metadata["Requires-Python"]])
json.dump({"python": platform.python_version(), "packages": sorted(found, key=lambda one: one[0])}, sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package of a runtime."""

    name: str
    """Normalized."""
    version: str
    requires: tuple[str, ...] = ()
    requires_python: str | None = None


@dataclass(frozen=True, slots=True)
class RuntimePython:
    """The Python of a runtime, with its packages."""

    program: Path
    version: str
    packages: tuple[InstalledPackage, ...] = ()


def python_program(bin_folder: Path) -> Path:
    """Return the Python in *bin_folder*."""
    return next((path for name in ("python3", "python") if (path := bin_folder / name).exists()), bin_folder / "python")


def inspect_python(bin_folder: Path) -> RuntimePython:
    """
    Run the Python in *bin_folder* once, and return what it has.

    :raises HostError: it does not work.
    """
    from packaging.utils import canonicalize_name

    try:
        done = subprocess.run(
            [python_program(bin_folder), "-I", "-c", _INSPECT_PROGRAM],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=INSPECT_TIMEOUT,
            check=True,
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise HostError(f"The Python in {bin_folder} cannot list its packages: {error}") from error
    packages = tuple(
        InstalledPackage(canonicalize_name(name), version, tuple(requires), python)
        for name, version, requires, python in found.pop("packages")
    )
    return RuntimePython(python_program(bin_folder), found["python"], packages)


def identify_runtime(bin_folder: Path) -> str:
    """
    Return everything about the Python in *bin_folder* that decides which packages fit.

    The names of folders of a virtual environment are enough for that, which takes a millisecond: each training of code
    with requirements calls this. Any other Python is run.

    :raises HostError: it does not work.
    """
    settings = bin_folder.parent / "pyvenv.cfg"
    folders = sorted(bin_folder.parent.glob("lib/python3*/site-packages"))
    machine = [platform.system(), platform.machine(), *platform.libc_ver()]
    if settings.is_file() and folders:
        base = str(python_program(bin_folder).resolve())
        found = [settings.read_text("utf-8"), base, *(sorted(_package_entries(one)) for one in folders)]
    else:
        inspected = inspect_python(bin_folder)
        found = [inspected.version, *([one.name, one.version] for one in inspected.packages)]
    return json.dumps([str(bin_folder), machine, found])


def _package_entries(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir() if one.suffix in {".dist-info", ".egg-info", ".pth"}]


def write_placeholder_wheels(packages: tuple[InstalledPackage, ...], folder: Path) -> None:
    """
    Write a wheel without content into *folder* for each of *packages*.

    With them a resolver finds the runtime's packages with their real metadata, whatever an index has: a local version
    (``+cpu``) is in few indexes. They are never installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for one in packages:
        stem = f"{one.name.replace('-', '_')}-{one.version}"
        lines = ["Metadata-Version: 2.1", f"Name: {one.name}", f"Version: {one.version}"]
        lines += [f"Requires-Python: {one.requires_python}"] if one.requires_python else []
        lines += [f"Requires-Dist: {text}" for text in one.requires]
        lines += [f"Provides-Extra: {extra}" for extra in _extras(one.requires)]
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n")
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")


def _extras(requires: tuple[str, ...]) -> list[str]:
    return sorted({name for text in requires for name in re.findall(r"extra\s*==\s*['\"]([^'\"]+)['\"]", text)})
