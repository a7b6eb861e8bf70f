from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry
from airflow_dlaas.service.runtimes.probe import check_entry
from airflow_dlaas.service.runtimes.probe_command import command_failure


@pytest.mark.parametrize(
    ("script", "with_stdout", "reason"),
    [
        ("echo no >&2", False, None),
        ("echo first >&2; echo last >&2; echo out; exit 3", False, "last"),
        ("echo out; exit 3", False, "exit code 3"),
        ("echo out; exit 3", True, "out"),
        ("printf '\\377' >&2; exit 1", False, "\ufffd"),
        ("kill -9 $$", False, "exit code -9"),
    ],
)
def test_command_failure_returns_the_last_line_of_output(script: str, with_stdout: bool, reason: str | None) -> None:
    assert command_failure(["/bin/sh", "-c", script], timeout=60, include_stdout=with_stdout) == reason


def test_command_failure_reports_timeout_and_missing_program(tmp_path: Path) -> None:
    assert command_failure(["/bin/sleep", "60"], timeout=0.1) == "no answer within 0.1 seconds"
    assert command_failure([str(tmp_path / "docker")], timeout=60) == "it cannot be started: No such file or directory"


def test_command_has_only_the_given_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLAAS_PASSWORD", "a-setting-of-the-service")
    script = 'echo "$NAME ${DLAAS_PASSWORD:-nothing}"; exit 1'
    assert (
        command_failure(["/bin/sh", "-c", script], timeout=60, environment={"NAME": "x"}, include_stdout=True)
        == "x nothing"
    )


def test_failed_probe_makes_an_entry_unavailable() -> None:
    entry = {"framework": "torch", "version": "7", "kind": "prefix", "path": ("/bin",), "provides": "Lua Torch"}
    assert check_entry(CatalogueEntry(**entry, probe="true")) is None
    assert check_entry(CatalogueEntry(**entry, probe="echo no GPU; exit 1")) == "its probe failed: no GPU"
