"""Imports: the contracts of import-linter, and the packages that an import of the provider loads."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROVIDER = [
    "airflow_dlaas.assets.swift",
    "airflow_dlaas.hooks.dlaas",
    "airflow_dlaas.hooks.object_store",
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


def test_import_contracts_hold() -> None:
    """They are in pyproject.toml."""
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_provider_import_loads_no_package_beyond_those_of_airflow() -> None:
    """DAG files import the provider at each parse, in a new process."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NEW_PACKAGES, *PROVIDER], capture_output=True, text=True, check=True
    )
    assert set(json.loads(run.stdout.splitlines()[-1])) <= {"airflow_dlaas"}


@pytest.mark.parametrize("module", ["airflow_dlaas.storage.transfer.plan", "airflow_dlaas.packaging.archive"])
def test_modules_without_a_store_import_no_http_library(module: str) -> None:
    """Packaging code must not load swiftclient."""
    code = f"import sys, {module}; assert not {{'swiftclient', 'requests'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_exceptions_and_package_import_no_module_of_ours_but_the_helper_for_text() -> None:
    """Also not for type checkers: `contract` imports `exceptions`."""
    allowed = {"__init__": set(), "exceptions": {"airflow_dlaas._util.terminal_text"}}
    for module, helpers in allowed.items():
        imported = _imported_modules(ROOT / "airflow_dlaas" / f"{module}.py")
        assert {name for name in imported if name.partition(".")[0] == "airflow_dlaas"} == helpers


def _imported_modules(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import(names=names):
                found.update(one.name for one in names)
            case ast.ImportFrom(module=module, level=level):
                found.add("airflow_dlaas" if level else str(module))
    return found
