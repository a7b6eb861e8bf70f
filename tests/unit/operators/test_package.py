"""Tests of the zip that `PackageModelOperator` makes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.exceptions import InvalidArgument, InvalidBundle
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


def test_requirements_become_a_file_of_the_zip(code: Path) -> None:
    names = package(code, include=["*.py"], requirements=["transformers==4.57", "datasets"])
    target = code.with_name("code.zip")
    first = target.read_bytes()
    assert names == ["net.py", "old.py", "requirements.txt", "train.py"]
    assert zipfile.ZipFile(target).read("requirements.txt") == b"transformers==4.57\ndatasets\n"
    package(code, include=["*.py"], requirements=["transformers==4.57", "datasets"])
    assert target.read_bytes() == first
    assert "requirements" in PackageModelOperator.template_fields


@pytest.mark.parametrize("name", ["requirements.txt", "uv.lock"])
def test_requirements_and_a_file_of_the_folder_are_refused_with_both_ways_out(code: Path, name: str) -> None:
    (code / name).write_text("numpy\n")
    with pytest.raises(InvalidBundle, match=rf"own {name}: leave the parameter out, or leave the file out"):
        package(code, exclude=[".env"], requirements=["datasets"])
    assert "requirements.txt" in package(code, exclude=[".env", name], requirements=["datasets"])


def test_requirement_that_is_none_is_refused_at_parse_with_its_place(code: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"requirements.*item 1.*is no requirement"):
        package(code, requirements=["datasets", "two words"])


def test_package_with_folders_opts_in(code: Path) -> None:
    (code / "model").mkdir()
    (code / "model" / "net.py").touch()
    with pytest.raises(InvalidBundle, match="nested=True"):
        package(code, exclude=[".env"])
    assert "model/net.py" in package(code, exclude=[".env"], nested=True)
