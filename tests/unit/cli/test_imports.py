"""The console works where Airflow is not configured, and a command waits for no import that it does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["airflow_dlaas.cli.app", "airflow_dlaas.cli.train.run"])
def test_console_does_not_import_airflow(module: str) -> None:
    code = f"import sys, {module}; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("app", ("pydantic", "requests", "rich")),
        ("data", ("rich", "requests", "swiftclient", "airflow_dlaas.service.config.settings")),
        ("data_versions", ("rich", "requests", "swiftclient", "airflow_dlaas.service.config.settings")),
        ("runs", ("rich", "requests", "airflow_dlaas.storage", "airflow_dlaas.service.config.settings")),
        ("store_access", ("requests", "swiftclient", "botocore", "google.auth")),
    ],
)
def test_command_does_not_import_what_it_may_not_need(module: str, unneeded: tuple[str, ...]) -> None:
    code = f"import sys, airflow_dlaas.cli.{module}; print(sorted({set(unneeded)} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
