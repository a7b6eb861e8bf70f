"""Tests of the console script as a whole."""

from __future__ import annotations

import json
import sys

import pytest

from airflow_dlaas import __version__
from airflow_dlaas.cli import main
from airflow_dlaas.cli.exit_codes import ExitCode


@pytest.fixture
def console(monkeypatch, capsys):
    """Return a function that runs a command line, and returns its exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["airflow-dlaas", *arguments])
        with pytest.raises(SystemExit) as exit_info:
            main()
        output = capsys.readouterr()
        return exit_info.value.code or 0, output.out, output.err

    return run


def test_version_command_prints_the_version(console):
    assert console("version") == (0, f"airflow-dlaas {__version__}\n", "")


def test_validate_prints_one_line_for_each_problem(console, tmp_path):
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({"model_definition": {"nam": "x"}, "training_data": {}}))
    code, out, err = console("validate", str(file))
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert "model_definition.nam: is not a key of the definition (a typo?)" in lines
    assert len(lines) > 5
    assert all(": " in line for line in lines)


def test_dlaas_error_is_printed_as_one_line(console, monkeypatch, tmp_path):
    monkeypatch.setenv("DLAAS_HOME", str(tmp_path / "nowhere"))
    code, out, err = console("runs")
    assert (code, out) == (ExitCode.NOT_CONFIGURED, "")
    assert err.startswith("airflow-dlaas: The URL or the login of the service is unknown")
    assert err.count("\n") == 1


def test_serve_refuses_an_invalid_setting_before_it_starts(console, monkeypatch, tmp_path):
    monkeypatch.setenv("DLAAS_HOME", str(tmp_path / "home"))
    code, _, err = console("serve", "--port", "http")
    assert code == ExitCode.NOT_CONFIGURED
    assert "DLAAS_PORT takes a port" in err
    assert not (tmp_path / "home").exists()


def test_serve_refuses_to_listen_beyond_loopback_without_the_option(console, monkeypatch, tmp_path):
    monkeypatch.setenv("DLAAS_HOME", str(tmp_path / "home"))
    code, _, err = console("serve", "--host", "0.0.0.0")
    assert code == ExitCode.NOT_CONFIGURED
    assert "--insecure-listen" in err


def test_examples_are_listed_and_copied(console, tmp_path):
    code, out, _ = console("examples", "list")
    assert code == 0
    assert "nightly_retrain" in out
    code, out, _ = console("examples", "copy", str(tmp_path), "nightly_retrain")
    assert code == 0
    assert out.startswith(f"{tmp_path}/nightly_retrain: 3 files copied\n")
    assert out.endswith("airflow dags unpause nightly_retrain\n  airflow dags trigger nightly_retrain\n")
    (tmp_path / "nightly_retrain" / "nightly_retrain.py").write_text("# mine")
    code, out, err = console("examples", "copy", str(tmp_path))
    assert (code, out) == (1, "")
    assert "nightly_retrain.py; --force replaces them" in err


def test_version_is_an_option_and_json_too(console):
    assert console("--version") == (0, f"airflow-dlaas {__version__}\n", "")
    code, out, _ = console("version", "--json")
    assert (code, json.loads(out)) == (0, {"version": __version__})


def test_validate_prints_its_problems_as_json(console, tmp_path):
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({"model_definition": {"nam": "x"}}))
    code, out, err = console("validate", str(file), "--json")
    document = json.loads(out)
    assert (code, err, document["valid"]) == (ExitCode.FAILED, "", False)
    assert "model_definition.nam: is not a key of the definition (a typo?)" in document["problems"]


def test_problem_with_a_control_character_is_shown_as_an_escape(console, tmp_path):
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({"model_definition": {"a\x1b[2J": "x"}}))
    _, _, err = console("validate", str(file))
    assert r"a\x1b[2J" in err
    assert "\x1b" not in err


def test_help_groups_the_commands_and_ends_with_examples(console):
    code, out, _ = console("--help")
    assert code == 0
    for title in ("Trainings", "Data", "Service", "Examples"):
        assert title in out
