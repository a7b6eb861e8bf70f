"""The results of a training in its container, for the commands that fetch and delete them."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.cli.results import ResultsPart, delete_results, fetch_results, plan_fetch
from airflow_dlaas.contract.training import ResultsLocation, ResultsReport, Training
from airflow_dlaas.exceptions import ObjectNotFound
from tests.builders import a_training
from tests.memory_store import MemoryStore
from tests.stored import read_tree

ID = a_training().id
OTHER = {f"{ID}x/model/w": b"1", "data": b"2", f"{ID}-copy/.dlaas-training": b"{}"}
FIRST = {f"{ID}/.dlaas-training": b"{}", f"{ID}/model/w": b"1", f"{ID}/learner-1/training-log.txt": b"log"}
CHECKPOINTS = {
    f"{ID}/.dlaas-checkpoints/1/content/0-1": b"1",
    f"{ID}/.dlaas-checkpoints/1/manifest-00000001.json": b"{}",
}
SECOND = {f"{ID}/attempt-2/model/w": b"2", f"{ID}/attempt-2/learner-1/training-log.txt": b"log 2"}


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the checksums of the fetched files out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def stored_at(location: str | None) -> Training:
    """Return a training whose results are at *location*; None: it has left none."""
    training = a_training()
    found = ResultsReport(location=ResultsLocation(container="c", model_location=location)) if location else None
    return training.model_copy(update={"entity": training.entity.model_copy(update={"training_results": found})})


@pytest.mark.parametrize("location", [ID, f"{ID}/attempt-2"])
def test_delete_removes_all_attempts_and_the_checkpoints(location: str) -> None:
    store = MemoryStore(**OTHER, **FIRST, **CHECKPOINTS, **SECOND)
    assert delete_results(store, stored_at(location)) == len(FIRST) + len(CHECKPOINTS) + len(SECOND)
    assert store.objects == OTHER


def test_delete_removes_the_checkpoints_of_a_training_without_results() -> None:
    store = MemoryStore(**OTHER, **CHECKPOINTS)
    assert delete_results(store, stored_at(None)) == 0
    assert delete_results(store, stored_at(None), container="c") == len(CHECKPOINTS)
    assert store.objects == OTHER


@pytest.mark.parametrize(
    ("location", "objects", "files"),
    [
        (ID, FIRST | CHECKPOINTS, {"model/w": b"1", "learner-1/training-log.txt": b"log"}),
        (f"{ID}/attempt-2", CHECKPOINTS | SECOND, {"model/w": b"2", "learner-1/training-log.txt": b"log 2"}),
    ],
)
def test_fetch_of_all_results_has_those_of_the_last_attempt_and_no_internal_objects(
    tmp_path: Path, location: str, objects: dict[str, bytes], files: dict[str, bytes]
) -> None:
    store = MemoryStore(**OTHER, **objects)
    for _ in range(2):  # the second time, the destination is compared
        plan = plan_fetch(stored_at(location), ResultsPart.ALL, tmp_path / "all")
        fetch_results(store, plan, overwrite=False, on_progress=lambda _: None)
        assert read_tree(tmp_path / "all") == files


def test_training_that_left_only_checkpoints_has_nothing_to_fetch(tmp_path: Path) -> None:
    plan = plan_fetch(stored_at(ID), ResultsPart.ALL, tmp_path / "all")
    store = MemoryStore(**{f"{ID}/.dlaas-training": b"{}"}, **CHECKPOINTS)
    with pytest.raises(ObjectNotFound, match="nothing under"):
        fetch_results(store, plan, overwrite=False, on_progress=lambda _: None)
