"""Data of a training that is used where it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from airflow_dlaas.cli.train.data import DataPlan, plan_data, upload_data
from airflow_dlaas.cli.train.data_places import is_place, parse_place, parse_results
from airflow_dlaas.cli.train.options import (
    CodeSource,
    DataOptions,
    DataSource,
    TrainOptions,
    pair_data,
    require_results_store,
)
from airflow_dlaas.cli.transfer_display import progress_display
from airflow_dlaas.exceptions import ContainerNotFound, DlaasError, InvalidArgument, InvalidName
from tests.memory_store import MemoryStore

LAKE = DataSource("lake", connection="aws_default")
MOUNTED = DataSource("", mount="/data/imagenet")


def options(*data: DataSource, results: str | None = None) -> TrainOptions:
    return TrainOptions(CodeSource(Path("code")), "run", "torch", data, results=results)


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("s3://lake", LAKE),
        ("s3://lake/train/images/", replace(LAKE, prefix="train/images")),
        ("s3://mine@lake/a#b?c", DataSource("lake", prefix="a#b?c", connection="mine")),
        ("gs://lake/x", DataSource("lake", prefix="x", connection="google_cloud_default")),
        ("swift://digits/train", DataSource("digits", prefix="train")),
        ("swift://archive@digits", DataSource("digits", connection="archive")),
        ("mount:/data/imagenet", MOUNTED),
        ("mount:///data/imagenet", MOUNTED),
    ],
)
def test_address_names_the_store_the_container_and_the_folder(value: str, source: DataSource) -> None:
    assert is_place(value)
    assert parse_place(value) == source


@pytest.mark.parametrize("value", ["digits", "./digits", "/data/digits", "s3:lake", "C:/data", "a/b://c"])
def test_other_values_are_paths_of_this_machine(value: str) -> None:
    assert not is_place(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ftp://host/x", r"--data ftp://host/x: is neither a folder of this machine nor one of s3://"),
        ("s3://", "--data s3://: '' is not the name of a container"),
        ("s3://lake/a/../b", "--data s3://lake/a/../b: "),
        ("mount:data", r"--data mount:data: write mount:/PATH"),
        ("mount:/", r"--data mount:/: write mount:/PATH"),
    ],
)
def test_invalid_address_is_refused_by_its_option(value: str, message: str) -> None:
    assert is_place(value)
    with pytest.raises((InvalidArgument, InvalidName), match=message):
        parse_place(value)


def test_results_are_in_the_store_of_the_first_container() -> None:
    digits = DataSource("digits")
    assert options(digits, LAKE).connections == (None, "aws_default")
    assert options(LAKE, MOUNTED).connections == ("aws_default",)
    assert options(LAKE, results="models").connections == (None, "aws_default")
    assert options(MOUNTED, results="models").connections == (None,)
    assert options(MOUNTED, LAKE).results_connection == "aws_default"
    require_results_store(options(MOUNTED, results="models"))
    with pytest.raises(InvalidArgument, match="--results: name the container"):
        require_results_store(options(MOUNTED))
    require_results_store(options(results="models"))
    with pytest.raises(InvalidArgument, match="--data: a training needs data"):
        require_results_store(options())


def test_places_come_after_folders_and_containers() -> None:
    assert pair_data([Path("digits")], ["a", "b"], [LAKE]) == (DataSource("a", Path("digits")), DataSource("b"), LAKE)
    assert pair_data([], [], [MOUNTED]) == (MOUNTED,)


def test_data_that_is_used_where_it_is_is_checked_and_not_uploaded() -> None:
    store = MemoryStore()
    source = DataSource("c", prefix="train", connection="aws_default")
    assert plan_data({"aws_default": store}, source, DataOptions()) == DataPlan(source)
    assert upload_data({"aws_default": store}, DataPlan(source), DataOptions(), progress_display) == (
        "container c, folder train, as it is"
    )
    assert str(plan_data({}, MOUNTED, DataOptions())) == "mounted folder /data/imagenet, as it is"
    with pytest.raises(ContainerNotFound):
        plan_data({"aws_default": store}, LAKE, DataOptions())
    assert store.asked == []


def test_results_may_have_a_store_of_their_own() -> None:
    assert parse_results("models") == DataSource("models")
    assert parse_results("s3://lake@models/") == DataSource("models", connection="lake")
    assert parse_results("swift://models") == DataSource("models")
    place = parse_results("gs://models")
    elsewhere = replace(options(LAKE, results=place.container), results_store=place.connection)
    assert (elsewhere.results_connection, elsewhere.connections) == (
        "google_cloud_default",
        ("google_cloud_default", "aws_default"),
    )
    for value in ("s3://models/here", "mount:/models"):
        with pytest.raises(InvalidArgument, match=f"--results {value}: results go to a container"):
            parse_results(value)
    for value in ("a/b", "ftp://models"):
        with pytest.raises(DlaasError, match=f"--results {value}: "):
            parse_results(value)
