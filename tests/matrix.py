"""
``python -m tests.matrix [NAME …]``: the provider's unit tests on other releases of Python and Airflow.

Each combination has its own environment in the checkout (``.venv-matrix-NAME``), which uv creates at the first run and
again after a change of the provider's requirements. The service is not installed: the tests cover the code of workers.
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
"""Packages that the tests need besides the provider."""

TESTS = (
    "_util",
    "assets",
    "client",
    "contract",
    "fs",
    "hooks",
    "integrations",
    "operators",
    "packaging",
    "plugin",
    "sensors",
    "storage",
    "task_runs",
)
"""Folders of ``tests/unit``."""

AIRFLOWS = {"3.1": ("apache-airflow==3.1.*",), "3.4": ("apache-airflow>=3.4.0b1,<3.5", "--prerelease", "allow")}
"""Releases of Airflow, and the arguments with which uv installs the newest one; a pre-release if it is the newest."""


@dataclass(frozen=True)
class Combination:
    """A version of Python and one of Airflow."""

    python: str
    airflow: str

    @property
    def name(self) -> str:
        return f"python{self.python}-airflow{self.airflow}"

    @property
    def home(self) -> Path:
        return ROOT / f".venv-matrix-{self.name}"

    def prepare(self) -> str:
        """Create its environment, unless it is up to date; return the error message, or an empty text."""
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
        """Return the installed versions."""
        line = "import sys, airflow; print('Python', sys.version.split()[0], '- Airflow', airflow.__version__)"
        return subprocess.run(
            [self.home / "bin" / "python", "-c", line], env=self.environment(), capture_output=True, text=True
        ).stdout.strip()

    def test(self) -> int:
        """Run the tests; return the exit code of pytest."""
        folders = [f"tests/unit/{one}" for one in TESTS]
        # Some releases of Airflow cause warnings by their own imports: here, a warning is no error.
        options = ("-q", "-n", "2", "-o", "filterwarnings=default")
        command = [self.home / "bin" / "python", "-m", "pytest", *options, *folders]
        return subprocess.run(command, cwd=ROOT, env=self.environment()).returncode

    def environment(self) -> dict[str, str]:
        """Return the environment variables, with a separate folder for Airflow's configuration."""
        return os.environ | {"AIRFLOW_HOME": str(self.home / "airflow"), "VIRTUAL_ENV": str(self.home)}


COMBINATIONS = (Combination("3.10", "3.1"), Combination("3.13", "3.1"), Combination("3.13", "3.4"))
"""The oldest and the newest Python on the oldest and the newest Airflow; Airflow 3.4 does not support Python 3.10."""


def main(names: list[str]) -> int:
    """Run the combinations with *names*, or all; return 1 if one of them failed, or if there is none."""
    results = []
    for one in COMBINATIONS:
        if names and one.name not in names:
            continue
        begun = time.monotonic()
        print(f"{one.name}: preparing the environment", flush=True)
        if error := one.prepare():
            print(error)
            results.append(f"{one.name}: the environment could not be created")
            continue
        print(f"{one.name}: {one.installed()}", flush=True)
        code = one.test()
        results.append(f"{one.name}: {'passed' if code == 0 else f'failed ({code})'}, {time.monotonic() - begun:.0f} s")
    print("\n".join(results))
    return 0 if results and all(": passed" in one for one in results) else 1


def interpreter(version: str) -> str:
    """Return a Python of that version on PATH or of pyenv; otherwise the version, for which uv may download one."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    named = shutil.which(f"python{version}")
    for found in [*([Path(named)] if named else []), *sorted(pyenv.glob(f"versions/{version}.*/bin/python"))]:
        # pyenv has a shim for each version, which fails for versions that are not selected.
        if subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return str(found)
    return version


def _uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["uv", *arguments], capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
