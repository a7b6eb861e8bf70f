"""Tests of bootstrap.py: pip's configuration, the output of uv, and its commands."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "bootstrap.py"


@pytest.fixture(scope="module")
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pip_sources_become_variables_of_uv(bootstrap):
    listing = "\n".join(
        [
            "global.index-url='https://mirror.example/simple'",
            "global.find-links='/one\\n/two'",
            "global.timeout='60'",
            "install.trusted-host='mirror.example'",
        ]
    )
    assert bootstrap.pip_sources(listing) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_FIND_LINKS": "/one,/two",
        "UV_INSECURE_HOST": "mirror.example",
    }


def test_pip_sources_give_all_indexes_the_same_rank(bootstrap):
    found = bootstrap.pip_sources("global.extra-index-url='file:///a file:///b'")
    assert found == {
        "UV_INDEX": "https://pypi.org/simple file:///a file:///b",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_pip_sources_prefer_the_environment_to_the_file(bootstrap):
    listing = ":env:.index-url='https://environment'\nglobal.index-url='https://file'"
    assert bootstrap.pip_sources(listing) == {"UV_DEFAULT_INDEX": "https://environment"}


@pytest.mark.parametrize("switch", ["0", "no", "false"])
def test_pip_sources_ignore_a_false_no_index(bootstrap, switch: str):
    assert bootstrap.pip_sources(f"global.no-index='{switch}'") == {}


@pytest.mark.parametrize(
    ("line", "description"),
    [
        ("Resolved 152 packages in 2.1s", "152 packages needed, fetching those that are not cached"),
        ("Downloading numpy (15.9MiB)", "fetching numpy (15.9MiB)"),
        ("Prepared 149 packages in 9s", "149 packages fetched, installing"),
        ("Installed 152 packages in 300ms", "152 packages installed, compiling them"),
        (" + numpy==2.4.6", ""),
    ],
)
def test_stage_describes_a_line_of_uv(bootstrap, line: str, description: str):
    assert bootstrap.stage(line) == description


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("error: dns error: failed to lookup address", "is there a network?"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("No matching distribution", "see above"),
    ],
)
def test_no_packages_names_the_cause_of_a_failure(bootstrap, output: str, cause: str):
    assert cause in bootstrap.no_packages(output)


def test_constraints_name_no_path_and_no_index(bootstrap):
    pins = bootstrap.constraints().splitlines()
    assert f"apache-airflow=={bootstrap.AIRFLOW}" in pins
    assert not [line for line in pins if line.startswith(("torch", "tensorflow", "airflow-dlaas", "-"))]
    assert not [line for line in pins if "://" in line or " @ " in line]


def test_every_package_is_of_the_provider_or_needs_a_newer_python(bootstrap):
    folders = {one.parent.name for one in (SCRIPT.parent / "airflow_dlaas").glob("*/__init__.py")}
    assert folders - {"cli", "demo", "service"} == set(bootstrap.PROVIDER)


def test_ci_runs_the_command_of_make_test_all():
    assert "\t@$(PYTHON) bootstrap.py test-all $(ARGS)\n" in (SCRIPT.parent / "Makefile").read_text()
    assert '"${PYTHON:-python3}" bootstrap.py test-all "$@"' in (SCRIPT.parent / ".ci" / "run").read_text()


def test_unknown_command_prints_the_known_commands():
    completed = subprocess.run([sys.executable, str(SCRIPT), "dmeo"], capture_output=True, text=True, check=False)
    assert completed.returncode == 1
    assert "bootstrap.py demo" in completed.stderr


def test_bootstrap_imports_the_standard_library_only():
    environment = {**os.environ, "PYTHONNOUSERSITE": "1"}
    command = [sys.executable, "-S", "-c", f"import runpy; runpy.run_path({str(SCRIPT)!r})"]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
