"""The pages in Airflow's UI: their own checks, and that what is shipped is what the sources give."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "airflow_dlaas" / "plugin" / "static"

OFFLINE = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "ENETUNREACH")


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with everything that they are built with."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("There is no npm to build the pages with")
    folder = tmp_path_factory.mktemp("ui")
    shutil.copytree(ROOT / "ui", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    made = run(folder, npm, "ci", "--no-audit", "--no-fund")
    if made.returncode and any(word in made.stderr for word in OFFLINE):
        pytest.skip("npm's registry can't be reached")
    assert made.returncode == 0, made.stderr
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def test_the_pages_pass_their_own_checks(ui: Path) -> None:
    checked = run(ui, "npm", "run", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_bundle_that_is_shipped_is_what_the_sources_give(ui: Path, tmp_path: Path) -> None:
    built = run(ui, "npx", "vite", "build", "--outDir", str(tmp_path / "built"), "--emptyOutDir")
    assert built.returncode == 0, built.stdout + built.stderr
    made, shipped = (
        sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
        for folder in (tmp_path / "built", STATIC)
    )
    assert made == shipped
    _, differing, broken = filecmp.cmpfiles(tmp_path / "built", STATIC, made, shallow=False)
    assert (differing, broken) == ([], []), "npm --prefix ui run build, and commit what it made"


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = (STATIC / "index.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "<style" not in page
    assert all("src=" in script for script in page.split("<script")[1:])
