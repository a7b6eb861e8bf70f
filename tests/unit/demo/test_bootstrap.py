"""What bootstrap.py makes of pip's configuration, and of what uv says."""

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


def test_uv_looks_for_packages_where_pip_is_told_to(bootstrap):
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


def test_an_extra_index_counts_as_much_as_the_main_one_as_with_pip(bootstrap):
    found = bootstrap.pip_sources("global.extra-index-url='file:///a file:///b'")
    assert found == {
        "UV_INDEX": "https://pypi.org/simple file:///a file:///b",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_the_environment_wins_over_the_configuration_file(bootstrap):
    listing = ":env:.index-url='https://said'\nglobal.index-url='https://written'"
    assert bootstrap.pip_sources(listing) == {"UV_DEFAULT_INDEX": "https://said"}


@pytest.mark.parametrize("switch", ["0", "no", "false"])
def test_an_index_that_is_not_forbidden_stays_allowed(bootstrap, switch: str):
    assert bootstrap.pip_sources(f"global.no-index='{switch}'") == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Resolved 152 packages in 2.1s", "152 packages needed, fetching those that are not here"),
        ("Downloading numpy (15.9MiB)", "fetching numpy (15.9MiB)"),
        ("Prepared 149 packages in 9s", "149 packages fetched, installing"),
        ("Installed 152 packages in 300ms", "152 packages installed, compiling them"),
        (" + numpy==2.4.6", ""),
    ],
)
def test_uv_is_understood(bootstrap, line: str, words: str):
    assert bootstrap.stage(line) == words


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("error: dns error: failed to lookup address", "is there a network?"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("No matching distribution", "see above"),
    ],
)
def test_a_failed_installation_says_why(bootstrap, said: str, why: str):
    assert why in bootstrap.no_packages(said)


def test_every_pin_holds_for_the_whole_world(bootstrap):
    pins = bootstrap.constraints().splitlines()
    assert f"apache-airflow=={bootstrap.AIRFLOW}" in pins
    assert not [line for line in pins if line.startswith(("torch", "tensorflow", "airflow-dlaas", "-"))]
    assert not [line for line in pins if "://" in line or " @ " in line]


def test_every_package_is_the_providers_or_runs_on_newer_pythons_only(bootstrap):
    folders = {one.parent.name for one in (SCRIPT.parent / "airflow_dlaas").glob("*/__init__.py")}
    assert folders - {"cli", "demo", "service"} == set(bootstrap.PROVIDER)


def test_ci_runs_what_make_test_all_runs():
    assert "\t@$(PYTHON) bootstrap.py test-all $(ARGS)\n" in (SCRIPT.parent / "Makefile").read_text()
    assert '"${PYTHON:-python3}" bootstrap.py test-all "$@"' in (SCRIPT.parent / ".ci" / "run").read_text()


def test_an_unknown_command_is_answered_with_the_known_ones():
    asked = subprocess.run([sys.executable, str(SCRIPT), "dmeo"], capture_output=True, text=True, check=False)
    assert asked.returncode == 1
    assert "bootstrap.py demo" in asked.stderr


def test_nothing_but_the_standard_library_is_needed():
    environment = {**os.environ, "PYTHONNOUSERSITE": "1"}
    command = [sys.executable, "-S", "-c", f"import runpy; runpy.run_path({str(SCRIPT)!r})"]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
