"""Tiny wheels, and a runtime without packages: installations of packages without a network."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow_dlaas.service.packages.virtual_env import make_virtual_env, read_prefix


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
    script: str | None = None,
) -> Path:
    """
    Write a wheel of *name* into *folder*: a module with the version, and further *files*.

    :param script: the name of a console script that calls ``main`` of the module.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    requirements = "".join(f"Requires-Dist: {one}\n" for one in requires)
    module = f"version = {version!r}\n\n\ndef main():\n    import sys\n    print({name!r}, version, sys.prefix)\n"
    content = {
        f"{name}.py": module,
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requirements}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script is not None:
        content[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script} = {name}:main\n"
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in content.items())
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return wheel


def make_runtime(folder: Path, **packages: str) -> Path:
    """Make an environment of this Python with *packages* (versions by name); return its ``bin`` directory."""
    site_folder = make_virtual_env(folder, read_prefix(Path(os.path.realpath(sys.executable)).parent))
    (folder / "pyvenv.cfg").write_text(
        (folder / "pyvenv.cfg").read_text().replace("packages = true", "packages = false")
    )
    for name, version in packages.items():
        wheel = write_wheel(folder / "wheels", name, version)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site_folder)
    return folder / "bin"


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
