"""Texts stay texts when a task's templates are rendered, and only a definition itself may name a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, ObjectStoragePath

from airflow_dlaas.exceptions import InvalidArgument, InvalidDefinition
from airflow_dlaas.operators.data import DeleteDataOperator, UploadDataOperator
from airflow_dlaas.operators.experiment import CreateExperimentOperator, PackageModelOperator
from airflow_dlaas.operators.training import SubmitTrainingOperator, TrainModelOperator
from airflow_dlaas.sensors.data import ObjectSensor
from airflow_dlaas.task_runs.definition import parse_definition

NATIVE = pytest.mark.parametrize("native", [False, True], ids=["texts", "native"])

CONTEXT: Any = {
    "ds_nodash": "20261129",
    "params": {
        "year": 2026,
        "version": "1.0",
        "patterns": ["*.csv", "*.json"],
        "framework": {"name": "tensorflow", "version": "1.0"},
        "seconds": 90,
        "which": "small",
        "size": "small",
    },
}


def make_definition(command: str = "python3 train.py", **model: Any) -> dict[str, Any]:
    return {
        "model_definition": {
            "name": "n",
            "definition_location": "/v3/x",
            "framework": {"name": "tensorflow", "version": "1.0"},
            "execution": {"command": command, "resourceType": "{{ params.size }}"},
            **model,
        },
        "training_data": [{"connection": "c", "source": {"container": "d", "type": "softlayer_objectstore"}}],
    }


def rendered(step: BaseOperator, *, native: bool, folder: Path | None = None) -> Any:
    """Render *step* as Airflow's task runner does."""
    dag = step.dag if step.has_dag() else a_dag(native=native, folder=folder)
    if not step.has_dag():
        step.dag = dag
    dag.resolve_template_files()
    step.render_template_fields(dict(CONTEXT), dag.get_template_env())  # type: ignore[arg-type]
    return step


def a_dag(*, native: bool = False, folder: Path | None = None) -> DAG:
    search = [str(folder)] if folder else None
    return DAG("d", render_template_as_native_obj=native, template_searchpath=search)


@NATIVE
@pytest.mark.parametrize("kind", [SubmitTrainingOperator, TrainModelOperator])
@pytest.mark.parametrize("command", ["python3 train.py --config params.json", "params.json", "{{ ds_nodash }}.json"])
def test_text_that_ends_with_json_is_not_read_as_a_file(
    kind: type[SubmitTrainingOperator], command: str, native: bool
) -> None:
    regex = [{"name": "loss", "regex": r"(\d+) in log.json"}]
    step = kind(
        task_id="train",
        definition=make_definition(command, name="model.json"),
        definition_location="/v3/x.json",
        metric_definitions=regex,
    )
    model = rendered(step, native=native).definition["model_definition"]
    assert model["execution"]["command"] == command.replace("{{ ds_nodash }}", "20261129")
    assert model["name"] == "model.json"
    assert step.definition_location == "/v3/x.json"
    assert step.metric_definitions == regex


@NATIVE
@pytest.mark.parametrize("text", ["1.0", "2026", "20261129", "None", "True", "[1]", "{}", "1e3", "0x10", "'a'"])
def test_text_without_a_template_is_unchanged(text: str, native: bool) -> None:
    upload = UploadDataOperator(task_id="up", source=text, container=text, prefix=text, include=text, exclude=[text])
    rendered(upload, native=native).check_parameters(rendered=True)
    assert (upload.source, upload.container, upload.prefix) == (text, text, text)
    assert (upload.include, upload.exclude) == ((text,), (text,))
    sensor = rendered(ObjectSensor(task_id="wait", container=text, name=text), native=native)
    assert (sensor.container, sensor.name) == (text, text)
    train = TrainModelOperator(task_id="train", definition=make_definition(text, name=text))
    model = rendered(train, native=native).definition["model_definition"]
    assert (model["name"], model["execution"]["command"]) == (text, text)
    assert model["framework"]["version"] == "1.0"


@NATIVE
def test_template_that_results_in_text_stays_text(native: bool) -> None:
    step = TrainModelOperator(
        task_id="train",
        definition=make_definition("{{ params.version }}", name="{{ ds_nodash }}", author="({{ params.year }})"),
    )
    model = rendered(step, native=native).definition["model_definition"]
    assert (model["name"], model["author"], model["execution"]["command"]) == ("20261129", "(2026)", "1.0")


@NATIVE
def test_template_that_results_in_a_number_is_text_or_refused(native: bool) -> None:
    step = UploadDataOperator(
        task_id="up", source="/a", container="{{ params.year | string }}", prefix="{{ params.year }}/x"
    )
    rendered(step, native=native).check_parameters(rendered=True)
    assert (step.container, step.prefix) == ("2026", "2026/x")
    step = rendered(UploadDataOperator(task_id="up", source="/a", container="{{ params.year }}"), native=native)
    if not native:
        assert step.container == "2026"
        return
    with pytest.raises(InvalidArgument, match=r"up: container must be a text, not 2026 .*\| string"):
        step.check_parameters(rendered=True)


@NATIVE
def test_template_can_give_seconds(native: bool) -> None:
    step = TrainModelOperator(task_id="train", definition=make_definition(), timeout="{{ params.seconds }}")  # type: ignore[arg-type]
    rendered(step, native=native).check_parameters(rendered=True)
    assert step.timeout is not None
    assert step.timeout.total_seconds() == 90


@NATIVE
def test_dag_can_set_other_template_markers(native: bool) -> None:
    markers = {"variable_start_string": "[[", "variable_end_string": "]]"}
    dag = DAG("d", render_template_as_native_obj=native, jinja_environment_kwargs=markers)
    definition = make_definition("[[ ds_nodash ]] {{ as it is }}")
    definition["model_definition"]["execution"]["resourceType"] = "[[ params.size ]]"
    with dag:
        step = TrainModelOperator(task_id="train", definition=definition, timeout="[[ params.seconds ]]")  # type: ignore[arg-type]
        mapped = UploadDataOperator.partial(task_id="up", source="/a").expand(container=["[[ params.a / params.b ]]"])
    assert mapped.operator_class is UploadDataOperator
    rendered(step, native=native)
    execution = step.definition["model_definition"]["execution"]
    assert execution == {"command": "20261129 {{ as it is }}", "resourceType": "small"}
    step.check_parameters(rendered=True)
    assert step.timeout is not None
    assert step.timeout.total_seconds() == 90
    with pytest.raises(InvalidDefinition, match="authr"):
        rendered(
            TrainModelOperator(task_id="b", definition=make_definition(authr="x"), dag=dag), native=native
        ).check_parameters(rendered=True)


def test_native_rendering_parses_lists_and_dicts() -> None:
    step = PackageModelOperator(
        task_id="p",
        source="/a",
        destination="/b",
        include="{{ params.patterns }}",  # type: ignore[arg-type]
        exclude="['{{ ds_nodash }}', 'b']",  # type: ignore[arg-type]
        allow_secrets="{{ params.patterns | tojson }}",  # type: ignore[arg-type]
    )
    rendered(step, native=True).check_parameters(rendered=True)
    assert step.include == step.allow_secrets == ("*.csv", "*.json")
    assert step.exclude == ("20261129", "b")
    create = CreateExperimentOperator(task_id="e", name="n", bundle="b", framework="{{ params.framework }}")  # type: ignore[arg-type]
    assert rendered(create, native=True).framework == CONTEXT["params"]["framework"]
    train = TrainModelOperator(task_id="train", definition="{{ params.framework | tojson }}")
    assert rendered(train, native=True).definition == CONTEXT["params"]["framework"]


def test_undefined_variable_is_an_error_with_its_name() -> None:
    for native in (False, True):
        step = UploadDataOperator(task_id="up", source="/a", container="{{ nope }}")
        with pytest.raises(Exception, match="'nope' is undefined"):
            rendered(step, native=native)


@NATIVE
@pytest.mark.parametrize("as_path", [False, True])
@pytest.mark.parametrize("absolute", [False, True])
def test_definition_can_be_a_file(tmp_path: Path, native: bool, as_path: bool, absolute: bool) -> None:
    file = tmp_path / "defs" / "d.json"
    file.parent.mkdir()
    file.write_text(json.dumps(make_definition("{{ ds_nodash }}", name="x.json")))
    path = file if absolute else file.relative_to(tmp_path)
    step = SubmitTrainingOperator(task_id="s", definition=path if as_path else str(path))
    found = rendered(step, native=native, folder=tmp_path).definition
    found = json.loads(found) if isinstance(found, str) else found
    assert found["model_definition"]["execution"] == {"command": "20261129", "resourceType": "small"}
    assert found["model_definition"]["name"] == "x.json"


def test_definition_file_is_checked_at_parse(tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text(json.dumps(make_definition(authr="{{ ds_nodash }}")))
    (tmp_path / "later.json").write_text('{ {% if params.year %} "authr": "me" {% endif %} }')
    with a_dag(folder=tmp_path) as dag:
        SubmitTrainingOperator(task_id="later", definition="later.json")
    dag.resolve_template_files()
    with dag:
        SubmitTrainingOperator(task_id="wrong", definition="wrong.json")
    with pytest.raises(InvalidDefinition, match="authr: is not a key"):
        dag.resolve_template_files()


def test_definition_can_be_in_object_storage(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(make_definition("{{ ds_nodash }}")))
    step = SubmitTrainingOperator(task_id="s", definition=ObjectStoragePath(f"file://{tmp_path}/d.json"))
    assert '"20261129"' in rendered(step, native=False).definition


@NATIVE
def test_template_can_select_a_file_next_to_the_dag_only(tmp_path: Path, native: bool) -> None:
    (tmp_path / "small.json").write_text(json.dumps(make_definition("{{ ds_nodash }}")))
    step = SubmitTrainingOperator(task_id="s", definition="{{ params.which }}.json")
    assert "20261129" in str(rendered(step, native=native, folder=tmp_path).definition)
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (tmp_path / "dags").mkdir()
    for which in (str(secret.with_suffix("")), "../secret"):
        step = SubmitTrainingOperator(task_id="s", definition="{{ which }}.json", dag=a_dag(folder=tmp_path / "dags"))
        with pytest.raises(InvalidArgument, match="definition names the file"):
            step.render_template_fields({"which": which})  # type: ignore[arg-type, typeddict-item]


def test_file_name_can_use_other_template_markers(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text(json.dumps(make_definition()))
    markers = {"variable_start_string": "<<", "variable_end_string": ">>"}
    dag = DAG("d", template_searchpath=[str(tmp_path)], jinja_environment_kwargs=markers)
    step = SubmitTrainingOperator(task_id="s", definition="<< params.which >>.json", dag=dag)
    assert parse_definition(rendered(step, native=False).definition)["model_definition"]["name"] == "n"


def test_rendered_text_is_not_read_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text(json.dumps(make_definition()))
    step = SubmitTrainingOperator(task_id="s", definition="{{ params.which ~ '.json' }}")
    rendered(step, native=False, folder=tmp_path).check_parameters(rendered=True)
    with pytest.raises(InvalidDefinition, match=r"is not JSON.*only where its path"):
        parse_definition(step.definition)


def test_missing_definition_file_is_an_error_of_the_task(tmp_path: Path) -> None:
    for name in ("nope.json", "/nope/d.json", "file:///nope/d.json"):
        with pytest.raises(InvalidArgument, match=f"definition names the file '{name}', which cannot be read"):
            rendered(SubmitTrainingOperator(task_id="s", definition=name), native=False, folder=tmp_path)


def test_definition_of_a_mapped_task_can_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(make_definition("{{ ds_nodash }}")))
    with a_dag(folder=tmp_path):
        mapped = TrainModelOperator.partial(task_id="t").expand(definition=["d.json", tmp_path / "d.json"])
    mapped.dag.resolve_template_files()
    for given in ("d.json", tmp_path / "d.json"):
        step = mapped.unmap({"definition": given})
        step.render_template_fields(dict(CONTEXT))  # type: ignore[arg-type]
        assert '"20261129"' in step.definition


@NATIVE
def test_path_object_is_rendered_to_a_path(tmp_path: Path, native: bool) -> None:
    upload = UploadDataOperator(task_id="u", source=tmp_path / "x.json", container="c")
    assert rendered(upload, native=native).source == str(tmp_path / "x.json")
    upload = UploadDataOperator(
        task_id="u", source=ObjectStoragePath("s3://conn@bucket/{{ ds_nodash }}"), container="c"
    )
    assert rendered(upload, native=native).source == "s3://conn@bucket/20261129"
    package = PackageModelOperator(task_id="p", source=Path("a"), destination=Path("/b/{{ ds_nodash }}.zip"))
    assert rendered(package, native=native).destination == "/b/20261129.zip"
    assert package.source == "a"


def test_path_object_of_another_task_is_accepted() -> None:
    step = UploadDataOperator(task_id="u", source="/a", container="c")
    step.source = ObjectStoragePath("s3://conn@bucket/x")  # type: ignore[assignment]
    step.check_parameters(rendered=True)
    assert step.source == "s3://conn@bucket/x"


def test_operator_parameter_sets_native_rendering() -> None:
    """The parameter exists since Airflow 3.2."""
    if not hasattr(BaseOperator, "render_template_as_native_obj"):
        pytest.skip("this Airflow has no such parameter")
    for native, found in ((True, ["*.csv", "*.json"]), (False, "['*.csv', '*.json']")):
        step = DeleteDataOperator(
            task_id="d",
            container="c",
            names="{{ params.patterns }}",
            render_template_as_native_obj=native,
            dag=a_dag(native=not native),
        )
        assert rendered(step, native=not native).names == found
