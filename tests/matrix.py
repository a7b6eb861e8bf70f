"""
``python -m tests.matrix [NAME …]``: the provider's unit tests on other releases of Python and Airflow.

Each combination has an environment of its own in the checkout (``.venv-matrix-NAME``), which uv makes at the first time
and again when the provider's requirements have changed. The service is not installed: what runs on a worker is tested.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

TOOLS = ("hypothesis", "mlflow-skinny>=3.1", "pytest>=8.3", "pytest-timeout", "pytest-xdist", "tensorboard")
"""What the tests need beside the provider."""

TESTS = ("assets", "client", "contract", "fs", "hooks", "operators", "plugin", "sensors", "storage", "triggers")
"""Folders of ``tests/unit``."""

AIRFLOWS = {"3.1": ("apache-airflow==3.1.*",), "3.4": ("apache-airflow>=3.4.0b1,<3.5", "--prerelease", "allow")}
"""Releases of Airflow, and how uv is asked for the newest of them; a pre-release where there is nothing newer."""


@dataclass(frozen=True)
class Combination:
    """One Python, one Airflow."""

    python: str
    airflow: str

    @property
    def name(self) -> str:
        return f"python{self.python}-airflow{self.airflow}"

    @property
    def home(self) -> Path:
        return ROOT / f".venv-matrix-{self.name}"

    def prepare(self) -> str:
        """Make its environment, unless it stands; what went wrong, or nothing."""
        stamp = self.home / "installed"
        wanted = [*AIRFLOWS[self.airflow], "--editable", str(ROOT), *TOOLS]
        digest = hashlib.sha256("\0".join([(ROOT / "pyproject.toml").read_text(), *wanted]).encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == digest:
            return ""
        made = _uv("venv", "--python", interpreter(self.python), "--clear", str(self.home))
        if made.returncode:
            return made.stderr
        done = _uv("pip", "install", "--upgrade", "--python", str(self.home / "bin" / "python"), *wanted)
        if done.returncode:
            return done.stderr
        stamp.write_text(digest)
        return ""

    def installed(self) -> str:
        """The releases that it really has."""
        line = "import sys, airflow; print('Python', sys.version.split()[0], '- Airflow', airflow.__version__)"
        return subprocess.run(
            [self.home / "bin" / "python", "-c", line], env=self.environment(), capture_output=True, text=True
        ).stdout.strip()

    def test(self) -> int:
        """Run the tests; pytest's exit code."""
        folders = [f"tests/unit/{one}" for one in TESTS]
        # Releases of Airflow warn of what they import themselves: a warning is no error here.
        options = ("-q", "-n", "2", "-o", "filterwarnings=default")
        command = [self.home / "bin" / "python", "-m", "pytest", *options, *folders]
        return subprocess.run(command, cwd=ROOT, env=self.environment()).returncode

    def environment(self) -> dict[str, str]:
        """The environment variables: Airflow writes its configuration into a folder of its own."""
        return os.environ | {"AIRFLOW_HOME": str(self.home / "airflow"), "VIRTUAL_ENV": str(self.home)}


COMBINATIONS = (Combination("3.10", "3.1"), Combination("3.13", "3.1"), Combination("3.13", "3.4"))
"""The oldest and the newest Python on the oldest and the newest Airflow; 3.4 runs on no Python 3.10 any more."""


def main(names: list[str]) -> int:
    """Run those with *names*, or all; 1 when one of them failed."""
    results = []
    for one in COMBINATIONS:
        if names and one.name not in names:
            continue
        begun = time.monotonic()
        print(f"{one.name}: making its environment", flush=True)
        if trouble := one.prepare():
            print(trouble)
            results.append(f"{one.name}: its environment could not be made")
            continue
        print(f"{one.name}: {one.installed()}", flush=True)
        code = one.test()
        results.append(f"{one.name}: {'passed' if code == 0 else f'failed ({code})'}, {time.monotonic() - begun:.0f} s")
    print("\n".join(results))
    return 0 if results and all(": passed" in one for one in results) else 1


def interpreter(version: str) -> str:
    """The Python of that version on PATH, or one of pyenv's; else what uv makes of the version: it may fetch one."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    named = shutil.which(f"python{version}")
    for found in [*([Path(named)] if named else []), *sorted(pyenv.glob(f"versions/{version}.*/bin/python"))]:
        # A shim of pyenv's is there for each version, and fails for those that are not chosen.
        if subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return str(found)
    return version


def _uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["uv", *arguments], capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
