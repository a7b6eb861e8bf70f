"""Results of trainings are recognized by their marker, not by the name of their folder."""

from __future__ import annotations

import json

import pytest

from airflow_dlaas.contract.results import (
    attempt_folder,
    checkpoints_folder,
    enclosing_folder,
    internal_result_objects,
    is_internal,
    is_marker,
    marker_content,
    marker_name,
    nested_result_objects,
    result_folders,
    results_root,
)

ID = "training-aB3_-6789"
CHECKPOINT = "a/r/.dlaas-checkpoints/1/content/0-1"


def test_folder_with_a_marker_has_results_under_any_name() -> None:
    names = [f"{ID}/.dlaas-training", f"{ID}/model/x", "run+7/.dlaas-training", "copy/of/it/.dlaas-training", "copy/y"]
    folders = result_folders(names)
    assert folders == {ID, "run+7", "copy/of/it"}
    assert enclosing_folder(f"{ID}/model/x", folders) == ID
    assert enclosing_folder("copy/of/it/model/x", folders) == "copy/of/it"
    assert enclosing_folder("copy/y", folders) is None
    assert enclosing_folder(ID, folders) is None


def test_folder_without_a_marker_has_data_under_any_name() -> None:
    names = ["training-set000001/a.csv", f"{ID}/model/x", f"{ID}/.dlaas-training-notes", f"{ID}x/.dlaas-training/a"]
    assert result_folders(names) == set()


def test_marker_outside_of_folders_marks_nothing() -> None:
    assert result_folders([".dlaas-training", "a"]) == set()


def test_results_of_releases_without_markers_are_recognized_by_id_and_log() -> None:
    log = "learner-1/training-log.txt"
    assert result_folders([f"{ID}/{log}", f"{ID}/model/x"]) == {ID}
    assert result_folders([f"a/{ID}/{log}", f"my-training/{log}", f"{ID}x/{log}", f"{ID}/{log}.gz"]) == set()


def test_enclosing_folder_is_the_outermost() -> None:
    assert enclosing_folder("a/b/c", {"a", "a/b"}) == "a"


def test_marker_has_name_and_content() -> None:
    assert is_marker(marker_name(ID))
    assert not is_marker(f"{ID}/model")
    assert json.loads(marker_content(ID))["training_id"] == ID


@pytest.mark.parametrize(
    ("prefix", "below"),
    [
        ("", ["a/r/.dlaas-training", "a/r/m/.dlaas-training", "a/r/m/w"]),
        ("a", ["a/r/.dlaas-training", "a/r/m/.dlaas-training", "a/r/m/w"]),
        ("a/r", []),
        ("a/r/", []),
        ("a/r/m", []),
    ],
)
def test_nested_result_objects(prefix: str, below: list[str]) -> None:
    names = ["a/b", "a/r/.dlaas-training", "a/r/m/.dlaas-training", "a/r/m/w", "a/rest"]
    assert nested_result_objects([name for name in names if name.startswith(prefix)], prefix) == below


@pytest.mark.parametrize(
    ("prefix", "markers"),
    [
        ("", []),
        ("a", []),
        ("a/r", ["a/r/.dlaas-training", "a/r/m/.dlaas-training"]),
        ("a/r/", ["a/r/.dlaas-training", "a/r/m/.dlaas-training"]),
        ("a/r/m", ["a/r/m/.dlaas-training"]),
        ("a/r/m/w", []),
    ],
)
def test_internal_result_objects(prefix: str, markers: list[str]) -> None:
    names = [".dlaas-training", "a/b", "a/r/.dlaas-training", "a/r/m/.dlaas-training", "a/r/m/w", "a/rest"]
    assert internal_result_objects([name for name in names if name.startswith(prefix)], prefix) == markers


def test_each_attempt_after_the_first_has_a_folder_in_that_of_the_training() -> None:
    assert [attempt_folder(ID, number) for number in (1, 2, 10)] == [ID, f"{ID}/attempt-2", f"{ID}/attempt-10"]
    names = [f"{ID}/.dlaas-training", f"{ID}/attempt-2/learner-1/training-log.txt", f"{ID}/attempt-2/model/w"]
    folders = result_folders(names)
    assert folders == {ID}
    assert {enclosing_folder(name, folders) for name in names} == {ID}
    assert nested_result_objects(names, "") == names
    assert nested_result_objects(names[1:], f"{ID}/attempt-2") == []


@pytest.mark.parametrize(
    ("location", "root"),
    [
        (ID, ID),
        (f"{ID}/", ID),
        (f"{ID}/attempt-2", ID),
        (f"{ID}/attempt-12/", ID),
        (f"{ID}/attempt-x", f"{ID}/attempt-x"),
        (f"{ID}/attempt-", f"{ID}/attempt-"),
        (f"{ID}/attempt-2/model", f"{ID}/attempt-2/model"),
        ("models/attempt-2", "models/attempt-2"),
        ("", ""),
    ],
)
def test_root_of_results_is_the_folder_of_all_attempts(location: str, root: str) -> None:
    assert results_root(ID, location) == root


@pytest.mark.parametrize("number", [1, 2, 100])
def test_root_of_results_has_each_attempt_and_the_checkpoints(number: int) -> None:
    assert results_root(ID, attempt_folder(ID, number)) == ID
    assert checkpoints_folder(ID).startswith(f"{ID}/")


def test_markers_and_checkpoints_are_internal_and_results_are_not() -> None:
    folder = checkpoints_folder(ID)
    internal = [marker_name(ID), f"{folder}/1/manifest-00000001.json", f"{folder}/2/content/0-1"]
    results = [f"{ID}/model/w", f"{ID}/checkpoints/last.pt", f"{ID}/attempt-2/learner-1/training-log.txt"]
    assert [name for name in internal + results if is_internal(name)] == internal
