"""The parameters of an operator that hold parts of its definition: checked at parse, rendered, mapped."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.serialization.serialized_objects import DagSerialization

from airflow_dlaas.exceptions import InvalidArgument, InvalidDefinition
from airflow_dlaas.operators.training import (
    DataSource,
    Mount,
    ResultsContainer,
    SubmitTrainingOperator,
    TrainModelOperator,
)
from airflow_dlaas.task_runs.definition_parts import with_parts
from tests.parameters import DEFINITION

LR = {"lr": 0.1}


def operator(**parts: Any) -> SubmitTrainingOperator:
    return SubmitTrainingOperator(task_id="train", definition=DEFINITION, **parts)


def execution(step: Any) -> dict[str, Any]:
    return dict(with_parts(step.definition, step.definition_parts)["model_definition"]["execution"])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"hyperparameters": {"layers": [1, 2]}}, "hyperparameters must .*|hyperparameters has .*'layers'"),
        ({"hyperparameters": {"a-b": "{{ ds }}", "a.b": 2}}, "hyperparameters .*give the same variable HP_a_b"),
        ({"hyperparameters": {1: 2}}, "hyperparameters must have texts as its keys"),
        ({"environment": {"A": 1}}, r"environment \['A'\] must be a text, not 1"),
        ({"environment": {"DATA_DIR": "x"}}, "environment .*DATA_DIR is set by the service"),
        ({"environment": {"HP_X": "x"}}, "environment .*HP_X: names that begin with HP_"),
        ({"secrets": {"TOKEN": "hunter2-hunter2"}}, r"secrets \['TOKEN'\] must be a reference"),
        ({"secrets": {"TOKEN": "conn:hf/passwrd"}}, r"secrets \['TOKEN'\] .*names no field of a connection"),
        ({"secrets": "hunter2-hunter2"}, "secrets must be a dict"),
        ({"secrets": {"TOKEN": "{{ conn.hf.password }}"}}, r"secrets \['TOKEN'\] must be a reference"),
        ({"training_resources": {"gpus": -1}}, "training_resources has wrong fields: gpus: must be at least 0"),
        ({"training_resources": {"memory": "much"}}, "training_resources has wrong fields: memory: must be a number"),
        ({"training_resources": {"gpu": 1}}, "training_resources has wrong fields: gpu: is not a key"),
        ({"time_limit": 0}, "time_limit must be more than 0"),
        ({"grace": -1}, "grace must be 0 or more"),
        ({"recovery": 3}, "recovery must be a dict, not 3"),
        ({"recovery": {"exit_codes": [75]}}, "recovery has wrong fields: attempts: is missing"),
        ({"recovery": {"attempts": 0}}, "recovery has wrong fields: attempts: must be at least 1"),
        ({"recovery": {"attempts": 3, "exit_codes": [75, 0]}}, r"recovery .*exit_codes\[1\]: must be at least 1"),
        ({"recovery": {"attempts": 3, "exit_codes": [75, 75]}}, "recovery .*must name each exit code once"),
        ({"recovery": {"attempts": 3, "codes": [75]}}, "recovery has wrong fields: codes: is not a key"),
        ({"resume_from": " "}, "resume_from is empty"),
        ({"training_data": "digits"}, "training_data must be a DataSource, a Mount or a list of them, not 'digits'"),
        ({"training_data": ["digits"]}, "training_data must contain DataSource and Mount only; item 0 is 'digits'"),
        ({"training_data": DataSource("a/b")}, r"training_data has .*\[0\]\.source\.container: must be the name"),
        ({"training_data": [DataSource("a"), Mount("data")]}, r"\[1\]\.source\.path: must be an absolute path"),
        ({"training_data": DataSource("a", prefix="/x")}, r"\[0\]\.source\.prefix: "),
        ({"training_data": DataSource("a", include=[""])}, r"\[0\]\.source\.include"),
        ({"training_data": DataSource("a", version="1")}, r"\[0\]\.source\.version: must match"),
        ({"training_results": "results"}, "training_results must be a ResultsContainer, not 'results'"),
        ({"training_results": ResultsContainer("a/b")}, "training_results has wrong fields: target.container: must be"),
        ({"resume": "allways"}, "resume must be True, False or 'always', not 'allways'"),
        ({"resume": True, "retry_failed": False}, "resume=True has no effect with retry_failed=False"),
        ({"resources": {"gpus": 4}}, "resources is a parameter of Airflow.*write training_resources"),
    ],
)
def test_wrong_part_is_refused_at_parse_by_the_name_of_its_parameter(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message) as refused:
        operator(**parts)
    assert "hunter2" not in str(refused.value)
    with pytest.raises(InvalidArgument, match=message):
        TrainModelOperator.partial(task_id="train", definition=DEFINITION, **parts)


def test_merged_definition_is_checked_at_parse() -> None:
    with pytest.raises(InvalidDefinition, match="environment and secrets must not both have A"):
        operator(environment={"A": "x"}, secrets={"A": "conn:hf/password"})
    with pytest.raises(InvalidDefinition, match="time_limit: must be at most"):
        operator(time_limit=timedelta(days=400))
    with pytest.raises(InvalidDefinition, match="grace: must be at most"):
        operator(grace=timedelta(days=2))
    with pytest.raises(InvalidDefinition, match=r"resume_from: .* at most 64"):
        operator(resume_from="training-" * 9)


def test_task_that_trains_once_in_a_generation_can_resume_after_a_clear() -> None:
    assert operator(resume="always", retry_failed=False).resume == "always"


def test_data_and_results_are_checked_in_the_merged_definition() -> None:
    with pytest.raises(
        InvalidDefinition, match=r"training_data\[0\]\.connection: is empty: name an Airflow connection"
    ):
        operator(training_data=DataSource("a", ""))
    with pytest.raises(InvalidDefinition, match=r"training_results\.connection: is missing"):
        operator(training_data=Mount("/data"), training_results={})
    with pytest.raises(InvalidDefinition, match=r"training_data\[0\]\.source: is missing"):
        operator(training_data={"connection": "c"})


def test_templates_in_sources_are_rendered_and_sources_of_other_tasks_are_waited_for() -> None:
    with DAG("d"):
        other = BaseOperator(task_id="other")
        step = operator(
            training_data=[
                DataSource("{{ name }}", "{{ name }}_lake", prefix="day/{{ name }}", include="*.csv"),
                DataSource("b", prefix=other.output),
                Mount("/data/{{ name }}"),
            ],
            training_results=ResultsContainer("{{ name }}-results", "lake"),
        )
    assert step.upstream_task_ids == {"other"}
    step.training_data[1]["source"].pop("prefix")
    step.render_template_fields({"name": "x"})
    step.check_parameters(rendered=True)
    document = with_parts(step.definition, step.definition_parts)
    assert document["training_data"] == [
        {"connection": "x_lake", "source": {"container": "x", "prefix": "day/x", "include": ["*.csv"]}},
        {"connection": "swift_default", "source": {"container": "b"}},
        {"source": {"type": "mount_volume", "path": "/data/x"}},
    ]
    assert document["training_results"] == {"connection": "lake", "target": {"container": "x-results"}}


def test_values_of_templates_and_of_other_tasks_are_accepted_at_parse() -> None:
    with DAG("d"):
        other = BaseOperator(task_id="other").output
        operator(
            training_data=other,
            training_results=other,
            hyperparameters={"lr": other, "seed": "{{ params.seed }}"},
            environment={"A": other, "B": "{{ ds }}"},
            secrets={"T": "conn:{{ params.conn }}/password"},
            training_resources={"gpus": "{{ params.gpus }}", "memory": other},
            time_limit="{{ params.hours * 3600 }}",
            grace=other,
            recovery={"attempts": "{{ params.attempts }}", "exit_codes": ["{{ params.code }}", other]},
            resume_from=other,
        )


@pytest.mark.parametrize("native", [False, True], ids=["texts", "native"])
def test_rendered_hyperparameter_is_a_text_and_numbers_of_resources_are_numbers(native: bool) -> None:
    with DAG("d", render_template_as_native_obj=native):
        step = operator(
            hyperparameters={"lr": "{{ lr }}", "name": "run-{{ lr }}", "epochs": 3},
            training_resources={"gpus": "{{ gpus }}", "cpus": "{{ gpus / 2 }}", "memory": "{{ gpus }}GiB"},
            time_limit="{{ gpus * 3600 }}",
            grace="{{ gpus * 30 }}",
            recovery={"attempts": "{{ gpus }}", "exit_codes": ["{{ gpus + 71 }}", 76]},
            resume_from="training-{{ gpus }}",
        )
    step.render_template_fields({"lr": 0.5, "gpus": 4})
    step.check_parameters(rendered=True)
    assert execution(step) == {
        "command": "true",
        "hyperparameters": {"lr": 0.5 if native else "0.5", "name": "run-0.5", "epochs": 3},
        "resources": {"gpus": 4, "cpus": 2.0, "memory": "4GiB"},
        "time_limit": 14400.0,
        "grace": 120.0,
    }
    definition = with_parts(step.definition, step.definition_parts)
    assert definition["recovery"] == {"attempts": 4, "exit_codes": [75, 76]}
    assert definition["resume_from"] == "training-4"


def test_value_from_another_task_keeps_its_type_and_is_no_template() -> None:
    step = operator()
    step.hyperparameters = {"lr": 0.5, "text": "{{ ds }}"}
    step.check_parameters(rendered=True)
    assert execution(step)["hyperparameters"] == {"lr": 0.5, "text": "{{ ds }}"}
    step.hyperparameters = {"lr": [1]}
    with pytest.raises(InvalidArgument, match=r"hyperparameters .*'lr' must be a number"):
        step.check_parameters(rendered=True)


def test_operator_is_mapped_over_hyperparameters_and_each_set_is_checked() -> None:
    with DAG("d") as dag:
        mapped = TrainModelOperator.partial(
            task_id="train", definition=DEFINITION, training_resources={"gpus": 4}
        ).expand(hyperparameters=[LR, {"lr": 0.01}])
    assert mapped.operator_class is TrainModelOperator
    with pytest.raises(InvalidArgument, match=r"hyperparameters .*\(mapped: hyperparameters\[1\]\)"):
        TrainModelOperator.partial(task_id="train", definition=DEFINITION).expand(hyperparameters=[LR, {"lr": [1]}])
    with pytest.raises(InvalidArgument, match=r"recovery .*\(mapped: recovery\[0\]\)"):
        TrainModelOperator.partial(task_id="more", definition=DEFINITION).expand(recovery=[{"attempts": 0}])
    assert json.dumps(DagSerialization.to_dict(dag))


def test_dag_with_all_parts_can_be_stored_by_airflow() -> None:
    with DAG("d") as dag:
        operator(
            hyperparameters=LR,
            environment={"A": "x"},
            training_resources={"gpus": 4},
            time_limit=timedelta(hours=1),
            grace=timedelta(minutes=2),
            recovery={"attempts": 3, "exit_codes": (75,)},
            resume="always",
            resume_from="training-1",
        )
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("train")
    assert stored.training_resources == {"gpus": 4}
    assert stored.hyperparameters == LR
