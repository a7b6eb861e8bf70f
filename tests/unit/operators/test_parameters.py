"""
Tests of every parameter of every operator and sensor with every kind of value: a wrong one is refused by its name.
"""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_dlaas.exceptions import InvalidArgument, InvalidDefinition
from airflow_dlaas.parameters.checked_operator import CheckedOperator
from tests.parameters import CASES, DEFAULT, REFUSED, ROWS, VALUES, expected, make, own_parameters, steps


@pytest.mark.parametrize("name", steps())
def test_every_parameter_has_a_row_and_a_check(name: str) -> None:
    step = steps()[name]
    assert issubclass(step, CheckedOperator)
    assert own_parameters(step) == set(ROWS[name]) == set(step.parameters)


def refusal(parameter: str) -> Any:
    """Expect an error that names *parameter*."""
    return pytest.raises((InvalidArgument, InvalidDefinition), match=rf"\b{parameter}\b")


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_value_in_the_dag_is_valid_or_refused_by_name(name: str, parameter: str) -> None:
    for label, value in VALUES.items():
        wanted = expected(name, parameter, label)
        if wanted is REFUSED:
            with refusal(parameter):
                make(name, **{parameter: value})
        else:
            step = make(name, **{parameter: value})
            assert getattr(step, parameter) == (getattr(make(name), parameter) if wanted is DEFAULT else wanted), label


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_parameter_without_templates_refuses_a_template(name: str, parameter: str) -> None:
    with DAG("d"):
        other = BaseOperator(task_id="other").output
        for number, later in enumerate(("{{ params.value }}", "{% if x %}{% endif %}", other)):
            if parameter in steps()[name].template_fields:
                assert getattr(make(name, task_id=f"t{number}", **{parameter: later}), parameter) is later
            else:
                with pytest.raises(InvalidArgument, match=rf"{parameter} .*\(it is not templated\)"):
                    make(name, task_id=f"t{number}", **{parameter: later})


@pytest.mark.parametrize("native", [False, True], ids=["texts", "native"])
@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_rendered_value_is_valid_or_refused_by_name(name: str, parameter: str, native: bool) -> None:
    if parameter not in steps()[name].template_fields:
        return
    for label, value in VALUES.items():
        with DAG("d", render_template_as_native_obj=native):
            step = make(name, **{parameter: "{{ value }}"})
        step.render_template_fields({"value": value})
        if not native and not isinstance(value, str):
            # The template results in the text of the value.
            assert isinstance(getattr(step, parameter), str)
            continue
        wanted = expected(name, parameter, label, rendered=True)
        if wanted is REFUSED:
            with refusal(parameter):
                step.check_parameters(rendered=True)
        else:
            step.check_parameters(rendered=True)
            assert getattr(step, parameter) == wanted, label


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_result_of_another_task_is_valid_or_refused_by_name(name: str, parameter: str) -> None:
    if parameter not in steps()[name].template_fields:
        return
    for label, value in VALUES.items():
        step = make(name)
        setattr(step, parameter, value)
        wanted = expected(name, parameter, label, rendered=True)
        if wanted is REFUSED:
            with refusal(parameter):
                step.check_parameters(rendered=True)
        else:
            step.check_parameters(rendered=True)
            assert getattr(step, parameter) == wanted, label
