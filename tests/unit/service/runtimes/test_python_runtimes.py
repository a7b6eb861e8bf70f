"""The runtime `python`."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.exceptions import InvalidRequest
from airflow_dlaas.service.runtimes.catalogue import load_catalogue
from airflow_dlaas.service.runtimes.python_runtimes import missing_reason, python_entries


def test_own_python_has_an_entry_of_any_version() -> None:
    listed = {one.version: one for one in python_entries("3.15.2")}
    assert list(listed) == ["3.15", "3.10", "3.11", "3.12", "3.13"]
    assert (listed["3.15"].aliases, listed["3.15"].python) == (("3", "3.15.2"), None)
    assert (listed["3.12"].aliases, listed["3.12"].python, listed["3.12"].installed_only) == ((), "3.12", True)


@pytest.mark.parametrize("version", ["3", platform.python_version(), platform.python_version().rpartition(".")[0]])
def test_own_python_is_found_by_its_versions(version: str) -> None:
    spec = load_catalogue().resolve(Framework(name="Python", version=version), "python3 a.py")
    assert (spec.kind, spec.requirements, spec.python) == ("uv", (), None)


def test_version_that_is_not_installed_is_refused_with_the_way_out() -> None:
    assert missing_reason("3.13", lambda _: True) is None
    reason = missing_reason("3.13", lambda _: False)
    assert reason is not None
    assert "uv python install 3.13" in reason
    catalogue = load_catalogue(
        check_entry=lambda entry: missing_reason("3.9", lambda _: False) if entry.python else None
    )
    [other] = [one.version for one in python_entries() if one.python][:1]
    with pytest.raises(InvalidRequest, match=r"cannot be used now: Python 3\.9 is not installed"):
        catalogue.resolve(Framework(name="python", version=other), "python3 a.py")


def test_site_can_remove_a_version(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    version = python_entries()[0].version
    site.write_text(f"[[runtime]]\nframework='python'\nversion='{version}'\nprovides='x'\nkind='uv'\nenabled=false\n")
    with pytest.raises(InvalidRequest, match=f"There is no python {version} here"):
        load_catalogue(site).resolve(Framework(name="python", version=version), "python3 a.py")
