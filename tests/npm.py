"""The pages' sources with all that npm brings, in a folder of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

OFFLINE = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "ENETUNREACH")


def installed(folder: Path) -> Path:
    """Copy ``ui`` into *folder*, with what its lock file names; without npm or its registry, the test is skipped."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: install Node.js, which brings it")
    shutil.copytree(ROOT / "ui", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    made = run(folder, npm, "ci", "--no-audit", "--no-fund")
    if made.returncode and any(word in made.stderr for word in OFFLINE):
        pytest.skip("npm's registry cannot be reached: connect to it, or npm config set registry")
    assert made.returncode == 0, made.stderr
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run *command* in *folder*."""
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
