"""
Tests of parameters that name files, containers, objects and patterns: a wrong value is an error with the parameter's
name.

A known value is refused when the DAG is parsed. The value of a template is refused when the task runs, before it reads
any connection: none exists in these tests.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath, task

from airflow_dlaas.exceptions import DlaasError, InvalidArgument, NothingSelected
from airflow_dlaas.operators.data import DeleteDataOperator, DownloadDataOperator, UploadDataOperator
from airflow_dlaas.operators.experiment import (
    CreateExperimentOperator,
    DeleteExperimentOperator,
    PackageModelOperator,
)
from airflow_dlaas.operators.model import FetchModelOperator
from airflow_dlaas.sensors.data import ObjectSensor

FRAMEWORK = {"name": "tensorflow", "version": "2.21"}

GOOD: dict[type[Any], dict[str, Any]] = {
    UploadDataOperator: {"source": "/srv/data", "container": "c"},
    DownloadDataOperator: {"container": "c", "destination": "/srv/data"},
    DeleteDataOperator: {"container": "c", "prefix": "day"},
    PackageModelOperator: {"source": "/srv/code", "destination": "/srv/code.zip"},
    CreateExperimentOperator: {"name": "n", "bundle": "/srv/code.zip", "framework": FRAMEWORK},
    DeleteExperimentOperator: {"definition_location": "/v3/ml_assets/experiments/e/versions/v"},
    FetchModelOperator: {"training_id": "training-x", "destination": "/srv/model"},
    ObjectSensor: {"container": "c"},
}

PATTERNS: list[Any] = ["", 0, -1, 1.5, True, b"*.csv", {"a": 1}, [""], [1], [["a"]], [None], "['*.csv']", Path("a")]
LOCATIONS: list[Any] = [None, "", " ", 0, -1, 1, True, ["/a"], {}, b"/a", "/a\0", "swift://conn@/data", "swift:///data"]
FLAGS: list[Any] = [None, "", 0, 1, "False", "{{ params.all }}", ["a"]]
BAD: dict[str, list[Any]] = {
    "container": [None, "", ".", "..", "a/b", 0, -1, 2026, ["c"], Path("c"), "x" * 257, "a\n", "ü" * 129],
    "prefix": [None, 0, -1, 5, ["p"], Path("p"), "/x", "..", "a//b", ".", "day ", "a/../b", "\udcff"],
    "name": ["", 0, 5, ["n"], Path("n"), "../x"],
    "names": ["", 0, 5, [""], [1], {"n": 1}, Path("n"), "['a']", ["../x"]],
    "include": PATTERNS,
    "exclude": PATTERNS,
    "allow_secrets": PATTERNS,
    "requirements": [
        "",
        " ",
        0,
        1.5,
        True,
        b"a",
        {"a": 1},
        ["a b"],
        [1],
        ["-r x"],
        ["a @ file:///x"],
        "['a']",
        Path("a"),
    ],
    "source": LOCATIONS,
    "destination": LOCATIONS,
    "bundle": LOCATIONS,
    "part": [None, 0, 5, ["model"], Path("model"), "..", "model/../..", "a//b"],
    "training_id": [None, "", " ", 0, 5, ["t"], Path("t")],
    "definition_location": [None, "", 0, 5, ["t"], Path("t")],
    **dict.fromkeys(("delete", "everything", "allow_empty", "allow_nested", "nested", "reuse"), FLAGS),
}

CASES = [
    (operator, parameter)
    for operator in GOOD
    for parameter in operator.parameters
    if parameter in BAD and (operator, parameter) != (CreateExperimentOperator, "name")
]


def make(operator: type[Any], **changed: Any) -> Any:
    return operator(**{"task_id": "step", **GOOD[operator], **changed})


@pytest.mark.parametrize(("operator", "parameter"), CASES)
def test_wrong_known_value_is_refused_at_parse(operator: type[Any], parameter: str) -> None:
    for value in BAD[parameter]:
        with pytest.raises(InvalidArgument, match=rf"^step: {parameter}\b"):
            make(operator, **{parameter: value})


@pytest.mark.parametrize(("operator", "parameter"), [(o, p) for o, p in CASES if p in o.template_fields])
@pytest.mark.parametrize("native", [False, True])
def test_wrong_rendered_value_is_refused_before_any_request(operator: type[Any], parameter: str, native: bool) -> None:
    for value in BAD[parameter]:
        if not native and not isinstance(value, str):
            continue  # a template results in a text
        if native and value in ("['*.csv']", "['a']"):
            continue  # native rendering results in a list
        step = make(operator, **{parameter: "{{ given }}"})
        with DAG("d", schedule=None, render_template_as_native_obj=native) as dag:
            step.dag = dag
        step.render_template_fields({"given": value})
        with pytest.raises(InvalidArgument, match=rf"^step: {parameter}\b"):
            step.execute({})


@pytest.mark.parametrize(("operator", "parameter"), [(o, p) for o, p in CASES if p in o.template_fields])
def test_wrong_result_of_another_task_is_refused_when_the_task_runs(operator: type[Any], parameter: str) -> None:
    @task
    def before() -> Any: ...

    with DAG("d", schedule=None):
        step = make(operator, **{parameter: before()})
    assert step.upstream_task_ids == {"before"}
    for value in BAD[parameter]:
        setattr(step, parameter, value)
        with pytest.raises(InvalidArgument, match=rf"^step: {parameter}\b"):
            step.execute({})


@pytest.mark.parametrize(
    ("parameter", "given", "normalized"),
    [
        ("include", "*.csv", ("*.csv",)),
        ("include", ["*.csv", "a"], ("*.csv", "a")),
        ("include", None, None),
        ("exclude", None, None),
        ("exclude", "*.tmp", ("*.tmp",)),
        ("source", Path("/srv/day"), "/srv/day"),
        ("source", ObjectStoragePath("s3://conn@bucket/day"), "s3://conn@bucket/day"),
        ("source", ObjectStoragePath("file:///srv/day"), "file:///srv/day"),
        ("prefix", "day/", "day/"),
        ("container", "2026", "2026"),
    ],
)
def test_valid_value_is_normalized(parameter: str, given: Any, normalized: Any) -> None:
    assert getattr(make(UploadDataOperator, **{parameter: given}), parameter) == normalized


@pytest.mark.parametrize("given", [["*.csv", "b"], ("*.csv", "b")])
def test_natively_rendered_list_is_a_list(tmp_path: Path, given: Any) -> None:
    step = make(UploadDataOperator, source=tmp_path, include="{{ given }}")
    with DAG("d", schedule=None, render_template_as_native_obj=True) as dag:
        step.dag = dag
    step.render_template_fields({"given": given})
    with pytest.raises(NothingSelected, match=r"include \['\*\.csv', 'b'\] select no file"):
        step.execute({})


@pytest.mark.parametrize("native", [False, True])
def test_list_of_templates_is_rendered_item_by_item(tmp_path: Path, native: bool) -> None:
    step = make(UploadDataOperator, source=tmp_path, include=["{{ day }}.csv", "x*"])
    with DAG("d", schedule=None, render_template_as_native_obj=native) as dag:
        step.dag = dag
    step.render_template_fields({"day": datetime.date(2026, 1, 2)})
    with pytest.raises(NothingSelected, match=r"include \['2026-01-02\.csv', 'x\*'\] select no file"):
        step.execute({})


def test_known_items_of_a_list_are_checked_at_parse() -> None:
    with pytest.raises(InvalidArgument, match=r"^step: include \[1\]: the pattern is empty"):
        make(UploadDataOperator, include=["{{ day }}.csv", ""])


def test_empty_source_is_refused_before_any_request(tmp_path: Path) -> None:
    with pytest.raises(NothingSelected, match=f"{tmp_path}: there is no file in it.*allow_empty"):
        make(UploadDataOperator, source=tmp_path, delete=True).execute({})


def test_delete_refuses_an_empty_container_name() -> None:
    """In a request an empty name is the account: the request would delete every empty container."""
    with pytest.raises(InvalidArgument, match=r"^step: container '' is not the name of a container: it is empty"):
        DeleteDataOperator(task_id="step", container="", everything=True)


@pytest.mark.parametrize("prefix", [None, "{{ folder }}"])
def test_delete_refuses_a_prefix_of_none(prefix: Any) -> None:
    def run() -> None:
        with DAG("d", schedule=None, render_template_as_native_obj=True):
            step = DeleteDataOperator(task_id="step", container="c", prefix=prefix)
        step.render_template_fields({"folder": None})
        step.execute({})

    with pytest.raises(InvalidArgument, match=r"^step: prefix must be a text, not None"):
        run()


@pytest.mark.parametrize("operator", [PackageModelOperator, UploadDataOperator])
def test_path_objects_are_accepted_and_returned_as_texts(tmp_path: Path, operator: type[Any]) -> None:
    if operator is UploadDataOperator:
        step = make(operator, source=tmp_path / "none")
        with pytest.raises(DlaasError, match=f"{tmp_path}/none: there is no such file or folder"):
            step.execute({})
        return
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("pass")
    assert make(operator, source=tmp_path / "code", destination=tmp_path / "code.zip").execute({}) == str(
        tmp_path / "code.zip"
    )


def test_package_never_replaces_a_folder_by_a_zip(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("pass")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "mine").write_text("content")
    with pytest.raises(InvalidArgument, match="work is a folder, and cannot be replaced by a file"):
        make(PackageModelOperator, source=tmp_path / "code", destination=tmp_path / "work").execute({})
    assert (tmp_path / "work" / "mine").read_text() == "content"


def test_file_address_of_another_machine_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"file://srv/data: a file address cannot name another machine"):
        make(UploadDataOperator, source="file://srv/data").execute({})
