from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.uv import ensure_environment, environment_name, install_attempts


def spec(**changes: object) -> RuntimeSpec:
    return RuntimeSpec.model_validate({"key": "torch-2", "kind": "uv", "provides": "PyTorch", **changes})


def test_environment_name_depends_on_the_contents_only() -> None:
    one = spec(requirements=["torch==2"])
    assert environment_name(one) == environment_name(spec(requirements=["torch==2"], key="other", shim="x"))
    assert environment_name(one) != environment_name(spec(requirements=["torch==3"]))
    assert environment_name(one) != environment_name(spec(requirements=["torch==2"], python="3.12"))


def test_install_attempts_of_a_cpu_build_end_with_the_alternative() -> None:
    wanted = spec(requirements=["torch==2+cpu", "numpy"], otherwise=["torch==2"])
    assert [list(one) for one in install_attempts(wanted)] == [
        ["torch==2+cpu", "numpy"],
        ["--torch-backend=cpu", "torch==2", "numpy"],
        ["torch==2"],
    ]


def test_install_attempts_of_other_requirements_are_one() -> None:
    assert [list(one) for one in install_attempts(spec(requirements=["a"]))] == [["a"]]
    assert list(install_attempts(spec(requirements=[]))) == []


def test_interpreter_that_cannot_be_downloaded_is_named(tmp_path: Path) -> None:
    """Without a network, uv does not find the interpreter and could not download it."""
    lines: list[str] = []
    with pytest.raises(HostError, match=r"Python 3\.99 is not installed on this machine, and uv could not download it"):
        ensure_environment(
            spec(python="3.99"), tmp_path, lines.append, uv_environ={"PATH": "/usr/bin:/bin", "UV_OFFLINE": "1"}
        )
    assert not [one for one in tmp_path.iterdir() if one.suffix != ".lock"]
