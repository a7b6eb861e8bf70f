"""Tests of the example DAGs: copies work in every folder, and are never overwritten; unpausing starts no run."""

from __future__ import annotations

import stat
from datetime import datetime, timezone
from pathlib import Path

import pendulum
import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
from airflow.timetables import trigger

from airflow_dlaas.demo.example_dags import Example, copy_examples, find_examples, list_examples
from airflow_dlaas.exceptions import HostError, InvalidArgument
from airflow_dlaas.operators.training import SubmitTrainingOperator

EXAMPLES = list_examples()

ALL = pytest.mark.parametrize("example", EXAMPLES, ids=[one.name for one in EXAMPLES])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def load(example: Example, bundle: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> DAG:
    """Copy *example* to a folder of a bundle, and load it as Airflow does."""
    monkeypatch.syspath_prepend(str(bundle))  # restores the path, which Airflow extends by the bundle
    copy_examples([example], bundle / folder)
    file = bundle / folder / example.name / f"{example.name}.py"
    bag = BundleDagBag(dag_folder=str(file), bundle_path=bundle, safe_mode=True)
    assert not bag.import_errors
    return bag.dags[example.name]


def test_copy_holds_all_files_of_the_example_and_repeats_without_a_change(tmp_path: Path) -> None:
    (example,) = find_examples("nightly_retrain")
    dags = tmp_path / "not" / "there" / "yet"
    assert copy_examples([example], dags) == {"nightly_retrain": 3}
    copied = contents(dags / "nightly_retrain")
    assert copied.keys() == {".airflowignore", "code/convolutional_network.py", "nightly_retrain.py"}
    assert copied == {str(name): (example.folder / name).read_bytes() for name in example.files()}
    assert stat.S_IMODE((dags / "nightly_retrain" / "nightly_retrain.py").stat().st_mode) == 0o644
    assert copy_examples([example], dags) == {"nightly_retrain": 0}


def test_copy_leaves_changed_files_unless_forced(tmp_path: Path) -> None:
    examples = find_examples("nightly_retrain")
    copy_examples(examples, tmp_path)
    folder = tmp_path / "nightly_retrain"
    original = contents(folder)
    (folder / "nightly_retrain.py").write_text("# mine")
    (folder / "code" / "convolutional_network.py").unlink()
    (folder / "code" / "other.py").write_text("# mine too")
    before = contents(folder)
    with pytest.raises(HostError, match=r"Nothing was copied.*nightly_retrain/nightly_retrain\.py; --force"):
        copy_examples(examples, tmp_path)
    assert contents(folder) == before
    assert copy_examples(examples, tmp_path, force=True) == {"nightly_retrain": 2}
    assert contents(folder) == original | {"code/other.py": b"# mine too"}


def test_copy_to_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="cannot be copied to"):
        copy_examples(find_examples(None), tmp_path / "file")


def test_unknown_example_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(InvalidArgument, match=r"no example 'nightly'.*nightly_retrain"):
        find_examples("nightly")


@ALL
def test_example_has_a_summary(example: Example) -> None:
    assert example.summary.endswith(".")


@ALL
@pytest.mark.parametrize("folder", [".", "team/deep"])
def test_copied_example_loads_in_any_folder_and_its_tasks_are_retried(
    example: Example, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = load(example, tmp_path / "bundle", folder, monkeypatch)
    submitting = [
        one for one in dag.tasks if issubclass(getattr(one, "operator_class", type(one)), SubmitTrainingOperator)
    ]
    assert submitting
    assert all(one.retries for one in submitting)


@ALL
@pytest.mark.parametrize("now", ["2026-12-01T01:59:59", "2026-12-01T02:00:01", "2026-12-01T12:00:00"])
def test_unpausing_an_example_starts_no_run(
    example: Example, now: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run of a DAG without runs is in the future, at every time of the day."""
    at = datetime.fromisoformat(now).replace(tzinfo=timezone.utc)
    dag = load(example, tmp_path / "bundle", ".", monkeypatch)
    stored = LazyDeserializedDAG(data=DagSerialization.to_dict(dag))
    monkeypatch.setattr(trigger, "utcnow", lambda: pendulum.instance(at))
    upcoming = stored.next_dagrun_info(last_automated_run_info=None)
    assert upcoming is None or upcoming.run_after > at
