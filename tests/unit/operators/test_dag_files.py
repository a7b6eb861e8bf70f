"""Tests of files that a DAG names by relative paths: they are beside the DAG's file, not in a working directory."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_dlaas.exceptions import InvalidArgument
from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.operators.experiment import CreateExperimentOperator, PackageModelOperator
from airflow_dlaas.parameters.dag_files import search_folders

try:
    from airflow.dag_processing.dagbag import BundleDagBag
except ImportError:  # Airflow 3.1
    from airflow.models.dagbag import BundleDagBag

DAG_FILE = """
from airflow.sdk import DAG
from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.operators.experiment import PackageModelOperator

with DAG("d", {dag_options}):
    PackageModelOperator(task_id="package", source={source!r}, destination="/srv/code.zip")
"""

Loaded = tuple[DAG | None, str]


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a bundle, with DAG files in a folder of a team. It is not the working directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.syspath_prepend(str(elsewhere))  # restores the path, which Airflow extends by the bundle
    root = tmp_path / "bundle"
    (root / "team").mkdir(parents=True)
    return root


@pytest.fixture
def load(bundle: Path) -> Callable[..., Loaded]:
    """Load a DAG file with the given source, as the DAG processor and the worker do; return DAG and import error."""

    def run(source: str, dag_options: str = "") -> Loaded:
        file = bundle / "team" / "d.py"
        file.write_text(dedent(DAG_FILE).format(source=source, dag_options=dag_options))
        bag = BundleDagBag(dag_folder=str(file), bundle_path=bundle, safe_mode=False)
        return bag.dags.get("d"), "".join(bag.import_errors.values())

    return run


def write(folder: Path, text: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(text)
    return folder


def package(dag: DAG | None, tmp_path: Path) -> str:
    """Run the task `package` of *dag*; return the text of the packaged file."""
    assert dag is not None
    task: Any = dag.get_task("package")
    task.destination = str(tmp_path / "code.zip")
    return zipfile.ZipFile(task.execute({})).read("train.py").decode()


@pytest.mark.parametrize("source", ["code", "./code", "../team/code", "file:code"])
def test_relative_source_is_found_beside_the_dag_file(
    bundle: Path, load: Callable[..., Loaded], tmp_path: Path, source: str
) -> None:
    write(bundle / "team" / "code", "beside")
    write(bundle / "code", "root")
    write(Path.cwd() / "code", "working directory")
    dag, error = load(source)
    assert not error
    assert package(dag, tmp_path) == "beside"


def test_relative_source_is_found_in_the_template_search_path_then_in_the_root_of_the_bundle(
    bundle: Path, load: Callable[..., Loaded], tmp_path: Path
) -> None:
    write(bundle / "code", "root")
    dag, _ = load("code")
    assert package(dag, tmp_path) == "root"
    path = write(tmp_path / "searched" / "code", "searched").parent
    for option in (str(path), [str(path)]):
        dag, _ = load("code", f"template_searchpath={option!r}")
        assert package(dag, tmp_path) == "searched"


def test_missing_relative_source_is_an_import_error_that_names_the_folders_searched(
    bundle: Path, load: Callable[..., Loaded]
) -> None:
    write(Path.cwd() / "code")
    dag, error = load("code")
    assert dag is None
    assert "package: source names 'code'" in error
    assert f"in {bundle / 'team'}, {bundle}: put it beside the DAG's file" in error


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("{{ params.folder }}", "params={'folder': 'code'}"),
        ("[[ params.folder ]]", "jinja_environment_kwargs={'variable_start_string': '[['}"),
        ("/srv/no/such/folder", ""),
        ("s3://bucket/code", ""),
    ],
)
def test_source_that_is_not_known_or_not_relative_is_not_searched_for_at_parse(
    load: Callable[..., Loaded], source: str, options: str
) -> None:
    dag, error = load(source, options)
    assert dag is not None, error


def test_rendered_relative_source_is_refused_by_the_task(load: Callable[..., Loaded], bundle: Path) -> None:
    dag, _ = load("{{ params.folder }}", "params={'folder': 'code'}")
    assert dag is not None
    task: Any = dag.get_task("package")
    task.source = "code"
    with pytest.raises(InvalidArgument, match=rf"package: source names 'code'.*{bundle / 'team'}"):
        task.execute({})


def test_task_without_a_dag_uses_its_working_directory(bundle: Path, tmp_path: Path) -> None:
    write(Path.cwd() / "code", "working directory")
    task = PackageModelOperator(task_id="package", source="code", destination=str(tmp_path / "code.zip"))
    assert zipfile.ZipFile(task.execute({})).read("train.py") == b"working directory"


@pytest.fixture
def dag(bundle: Path) -> DAG:
    """A DAG as it is after Airflow has loaded it from the bundle."""
    dag = DAG("d")
    dag.fileloc, dag.relative_fileloc = str(bundle / "team" / "d.py"), "team/d.py"
    return dag


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("data", "team/data"),
        ("data/*.gz", "team/data/*.gz"),
        ("*/*.gz", "team/*/*.gz"),
        ("all/**/*.csv", "all/**/*.csv"),
        ("data/*.none", "team/data/*.none"),
        ("all/*.none", "all/*.none"),
    ],
)
def test_upload_source_is_a_file_a_folder_or_a_glob_beside_the_dag_file(
    bundle: Path, dag: DAG, source: str, found: str
) -> None:
    for file in (bundle / "team" / "data" / "a.gz", bundle / "all" / "deep" / "b.csv"):
        file.parent.mkdir(parents=True)
        file.touch()
    task = UploadDataOperator(task_id="upload", source=source, container="c", dag=dag)
    task.resolve_template_files()
    assert task.find_dag_file("source") == str(bundle / found)


def test_upload_source_of_which_even_the_folder_is_missing_is_refused(dag: DAG) -> None:
    task = UploadDataOperator(task_id="upload", source="dta/*.gz", container="c", dag=dag)
    with pytest.raises(InvalidArgument, match=r"upload: source names 'dta/\*\.gz'"):
        task.resolve_template_files()


def test_bundle_of_an_experiment_is_found_beside_the_dag_file_and_in_the_working_directory(
    bundle: Path, dag: DAG
) -> None:
    """Another task may have made it in the working directory, so its absence is no error while the DAG is parsed."""
    task = CreateExperimentOperator(task_id="e", name="n", bundle="code.zip", framework={"name": "x"}, dag=dag)
    task.resolve_template_files()
    made = Path.cwd() / "code.zip"
    made.touch()
    assert task.find_dag_file("bundle", working_directory=True) == str(made)
    beside = bundle / "team" / "code.zip"
    beside.touch()
    assert task.find_dag_file("bundle", working_directory=True) == str(beside)


def test_search_folders_of_a_dag_that_no_bundle_has() -> None:
    dag = DAG("d")
    dag.fileloc = "/srv/script/d.py"
    assert search_folders(dag) == [Path("/srv/script")]
    dag.relative_fileloc = "other.py"
    assert search_folders(dag) == [Path("/srv/script")]
