"""A copy of the sources of the pages, with the packages that npm installs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

OFFLINE = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "ENETUNREACH")


def installed(folder: Path) -> Path:
    """Copy ``ui`` to *folder* and install the packages of its lock file; without npm or its registry, skip the test."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: install Node.js, which includes it")
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
