"""The console script as a whole."""

from __future__ import annotations

import json
import sys

import pytest

from airflow_dlaas import __version__
from airflow_dlaas.cli import main


@pytest.fixture
def console(monkeypatch, capsys):
    """Run a command line; its exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["airflow-dlaas", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run


def test_it_tells_its_version(console):
    assert console("version") == (0, f"airflow-dlaas {__version__}\n", "")


def test_an_invalid_definition_is_one_line_a_problem(console, tmp_path):
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({"model_definition": {"nam": "x"}, "training_data": []}))
    code, out, err = console("validate", str(file))
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert "model_definition.nam: is not a key of the definition (a typo?)" in lines
    assert len(lines) > 5
    assert all(": " in line for line in lines)


def test_what_is_raised_on_purpose_is_one_sentence(console, monkeypatch, tmp_path):
    monkeypatch.setenv("DLAAS_HOME", str(tmp_path / "nowhere"))
    code, out, err = console("runs")
    assert (code, out) == (1, "")
    assert err.startswith("airflow-dlaas: The URL or the login of the service is unknown")
    assert err.count("\n") == 1


def test_a_bad_setting_stops_serve_before_it_begins(console, monkeypatch, tmp_path):
    monkeypatch.setenv("DLAAS_HOME", str(tmp_path / "home"))
    code, _, err = console("serve", "--port", "http")
    assert code == 1
    assert "DLAAS_PORT takes a port" in err
    assert not (tmp_path / "home").exists()


def test_serve_listens_beyond_loopback_only_when_told(console, monkeypatch, tmp_path):
    monkeypatch.setenv("DLAAS_HOME", str(tmp_path / "home"))
    code, _, err = console("serve", "--host", "0.0.0.0")
    assert code == 1
    assert "--insecure-listen" in err
