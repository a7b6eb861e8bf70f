from __future__ import annotations

from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.uv import environment_name, install_attempts


def spec(**changes: object) -> RuntimeSpec:
    return RuntimeSpec.model_validate({"key": "torch-2", "kind": "uv", "provides": "PyTorch", **changes})


def test_an_environment_is_named_by_what_is_in_it_and_by_nothing_else() -> None:
    one = spec(requirements=["torch==2"])
    assert environment_name(one) == environment_name(spec(requirements=["torch==2"], key="other", shim="x"))
    assert environment_name(one) != environment_name(spec(requirements=["torch==3"]))
    assert environment_name(one) != environment_name(spec(requirements=["torch==2"], python="3.12"))


def test_a_cpu_build_is_looked_for_here_then_at_its_makers_and_only_then_given_up() -> None:
    wanted = spec(requirements=["torch==2+cpu", "numpy"], otherwise=["torch==2"])
    assert [list(one) for one in install_attempts(wanted)] == [
        ["torch==2+cpu", "numpy"],
        ["--torch-backend=cpu", "torch==2", "numpy"],
        ["torch==2"],
    ]


def test_ordinary_requirements_are_asked_for_once() -> None:
    assert [list(one) for one in install_attempts(spec(requirements=["a"]))] == [["a"]]
