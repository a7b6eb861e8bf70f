"""The architecture, kept by a machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROVIDER = [
    "airflow_dlaas.assets.swift",
    "airflow_dlaas.hooks.dlaas",
    "airflow_dlaas.hooks.swift",
    "airflow_dlaas.triggers.data",
    "airflow_dlaas.triggers.training",
    "airflow_dlaas.operators.data",
    "airflow_dlaas.operators.experiment",
    "airflow_dlaas.operators.model",
    "airflow_dlaas.operators.training",
    "airflow_dlaas.links.training",
    "airflow_dlaas.sensors.data",
    "airflow_dlaas.sensors.training",
]

NEW_PACKAGES = """
import json, sys
import airflow.sdk
from airflow.sdk import DAG, BaseHook, BaseOperator, BaseSensorOperator, conf, task
import airflow.triggers.base
before = {name.partition(".")[0] for name in sys.modules}
for name in sys.argv[1:]:
    __import__(name)
new = {name.partition(".")[0] for name in sys.modules} - before
print(json.dumps(sorted(name for name in new if name not in sys.stdlib_module_names)))
"""


def test_the_rooms_import_only_what_they_may() -> None:
    """The import contracts in pyproject.toml hold."""
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_importing_the_provider_brings_in_no_package_that_airflow_had_not() -> None:
    """DAG files import us at every parse, in a fresh process each."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NEW_PACKAGES, *PROVIDER], capture_output=True, text=True, check=True
    )
    assert set(json.loads(run.stdout.splitlines()[-1])) <= {"airflow_dlaas"}


@pytest.mark.parametrize("module", ["airflow_dlaas.storage.transfer.plan", "airflow_dlaas.packaging.archive"])
def test_what_needs_no_store_imports_no_store_client(module: str) -> None:
    """Packaging code does not pay for swiftclient."""
    code = f"import sys, {module}; assert not {{'swiftclient', 'requests'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
