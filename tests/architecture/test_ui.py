"""The pages in Airflow's UI: their own checks, and that the committed files are those that the sources give."""

from __future__ import annotations

import filecmp
import sys
from pathlib import Path

from tests.npm import ROOT, run

STATIC = ROOT / "airflow_dlaas" / "plugin" / "static"


def test_ui_passes_its_own_checks(ui: Path) -> None:
    checked = run(ui, "npm", "run", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_ui_bundle_is_what_the_sources_give(ui: Path, tmp_path: Path) -> None:
    built = run(ui, "npx", "vite", "build", "--outDir", str(tmp_path / "built"), "--emptyOutDir")
    assert built.returncode == 0, built.stdout + built.stderr
    made, committed = (
        sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
        for folder in (tmp_path / "built", STATIC)
    )
    assert made == committed
    _, differing, unreadable = filecmp.cmpfiles(tmp_path / "built", STATIC, made, shallow=False)
    assert (differing, unreadable) == ([], []), "run npm --prefix ui run build, and commit the result"


def test_ui_types_are_what_the_plugin_s_response_models_give(ui: Path, tmp_path: Path) -> None:
    generated = tmp_path / "types.ts"
    done = run(ui, "env", f"PYTHONPATH={ROOT}", sys.executable, "generate_types.py", str(generated))
    assert done.returncode == 0, done.stdout + done.stderr
    committed = ROOT / "ui" / "src" / "api" / "types.ts"
    assert generated.read_text() == committed.read_text(), "run python ui/generate_types.py, and commit the result"


def test_ui_loads_nothing_from_other_hosts() -> None:
    page = (STATIC / "index.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "<style" not in page
    assert all("src=" in script for script in page.split("<script")[1:])
