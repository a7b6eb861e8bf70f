"""The pages in Airflow's UI: their own checks, and that what is shipped is what the sources give."""

from __future__ import annotations

import filecmp
from pathlib import Path

from tests.npm import ROOT, run

STATIC = ROOT / "airflow_dlaas" / "plugin" / "static"


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
