"""The console works where Airflow is not configured."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["airflow_dlaas.cli.app", "airflow_dlaas.cli.train.run"])
def test_console_does_not_import_airflow(module: str) -> None:
    code = f"import sys, {module}; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
