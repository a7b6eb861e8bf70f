"""What `environments` prints, and what `environments prune` removes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_dlaas.cli.app import app
from airflow_dlaas.service.packages.in_use import environment_in_use


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data directory with the environment of a runtime, and two of packages."""
    folder = tmp_path / "home" / "environments"
    for age, (name, made_of) in enumerate(
        {
            "aaaa": {"provides": "PyTorch", "requirements": ["torch==2", "numpy==2"]},
            "packages/bbbb": {"runtime": "/x/bin", "requirements": ["a==1 --hash=sha256:0", "b==2"], "size": 5_000_000},
            "packages/cccc": {"runtime": "/x/bin", "requirements": ["c==1"], "size": 1},
        }.items()
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "dlaas-environment.json").write_text(json.dumps(made_of))
        os.utime(folder / name, (1_700_000_000 + 60 * age,) * 2)
    (folder / "packages" / "dddd.part").mkdir()
    return tmp_path / "home"


def run(*arguments: str, home: Path) -> str:
    result = CliRunner().invoke(app, [*arguments, "--home", str(home)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_environments_are_listed_with_size_and_content(home: Path) -> None:
    lines = [line.split() for line in run("environments", home=home).splitlines()]
    assert [line[:4] for line in lines[1:]] == [
        ["aaaa", "runtime", "0.0", "MiB"],
        ["bbbb", "packages", "4.8", "MiB"],
        ["cccc", "packages", "0.0", "MiB"],
    ]
    assert lines[2][-2:] == ["a==1,", "b==2"]
    first = json.loads(run("environments", "--json", home=home))["environments"][0]
    assert first["used_at"] == "2023-11-14T22:13:20.000Z"
    assert (first["runtime"], first["requirements"]) == ("PyTorch", ["torch==2", "numpy==2"])


def test_prune_removes_what_is_unused(home: Path) -> None:
    folder = home / "environments"
    assert "0 environments" in run("environments", "prune", "--unused-days", "100000", home=home)
    with environment_in_use(folder / "packages" / "bbbb"):
        removed = json.loads(run("environments", "prune", "--unused-days", "0", "--json", home=home))["removed"]
    assert [one["key"] for one in removed] == ["aaaa", "cccc"]
    assert [one.name for one in (folder / "packages").iterdir() if one.is_dir()] == ["bbbb"]
    assert not (folder / "aaaa").exists()
