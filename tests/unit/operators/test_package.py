"""Tests of the zip that `PackageModelOperator` makes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.operators.experiment import PackageModelOperator
from airflow_dlaas.packaging import archive


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    for name in ("train.py", "net.py", "old.py", "notes.md", "scratch.py", ".env"):
        (folder / name).write_text(f"# {name}\n")
    (folder / ".dlaasignore").write_text("scratch.*\n")
    return folder


def package(code: Path, **options: Any) -> list[str]:
    target = code.with_name("code.zip")
    operator = PackageModelOperator(task_id="package", source=str(code), destination=str(target), **options)
    assert operator.execute({}) == str(target)
    return zipfile.ZipFile(target).namelist()


def test_package_applies_patterns_and_ignore_file(code: Path) -> None:
    assert package(code, include=["*.py"], exclude=["old.*"]) == ["net.py", "train.py"]


def test_package_fails_for_a_secret_and_keeps_the_earlier_zip(code: Path) -> None:
    before = package(code, exclude=[".env"])
    with pytest.raises(InvalidBundle, match=r"'\.env'.*allow_secrets"):
        package(code)
    assert zipfile.ZipFile(code.with_name("code.zip")).namelist() == before
    assert package(code, allow_secrets=[".env"]) == sorted([".env", *before])


def test_package_makes_the_same_zip_as_pack(code: Path) -> None:
    package(code, allow_secrets=[".env"])
    assert code.with_name("code.zip").read_bytes() == archive.pack(code, allow_secrets=[".env"])


def test_patterns_are_template_fields() -> None:
    assert {"include", "exclude", "allow_secrets"} <= set(PackageModelOperator.template_fields)
