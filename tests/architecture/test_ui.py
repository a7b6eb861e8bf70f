"""The pages in Airflow's UI: their own checks, and the comparison of the committed bundle with its sources."""

from __future__ import annotations

import filecmp
from pathlib import Path

from tests.npm import ROOT, run

STATIC = ROOT / "airflow_dlaas" / "plugin" / "static"


def test_pages_pass_their_checks(ui: Path) -> None:
    checked = run(ui, "npm", "run", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_committed_bundle_is_built_from_the_sources(ui: Path, tmp_path: Path) -> None:
    built = run(ui, "npx", "vite", "build", "--outDir", str(tmp_path / "built"), "--emptyOutDir")
    assert built.returncode == 0, built.stdout + built.stderr
    made, shipped = (
        sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
        for folder in (tmp_path / "built", STATIC)
    )
    assert made == shipped
    _, differing, broken = filecmp.cmpfiles(tmp_path / "built", STATIC, made, shallow=False)
    assert (differing, broken) == ([], []), "run npm --prefix ui run build, and commit the result"


def test_page_loads_nothing_from_other_hosts() -> None:
    page = (STATIC / "index.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "<style" not in page
    assert all("src=" in script for script in page.split("<script")[1:])
