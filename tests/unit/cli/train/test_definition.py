"""The definition that `train` submits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_dlaas.cli.connection_options import StoreAccess
from airflow_dlaas.cli.train.definition import build_definition, printable_definition, require_slots
from airflow_dlaas.cli.train.execution import ResourceOptions
from airflow_dlaas.cli.train.options import CodeSource, DataSource, TrainOptions
from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.stores import S3StoreConnection, StoreType
from airflow_dlaas.exceptions import InvalidArgument, InvalidDefinition

CONNECTION: dict[str, str | bool] = {
    "auth_url": "http://store/auth/v1.0",
    "userId": "me:me",
    "password": "made-up-secret",
}
LAKE: dict[str, str | bool] = {"access_key_id": "AK", "secret_access_key": "made-up-secret"}
STORES = {
    None: StoreAccess(CONNECTION, True, "connections.json"),
    "aws_default": StoreAccess(LAKE, True, "connections.json", StoreType.S3),
}
TORCH = Framework(name="torch", version="2.13")


def options(command: str = "python train.py", results: str | None = None) -> TrainOptions:
    return TrainOptions(
        code=CodeSource(Path("mnist")),
        command=command,
        framework="torch",
        data=(DataSource("digits"), DataSource("more")),
        results=results,
        name="mnist",
    )


def test_definition_names_the_containers_and_the_results() -> None:
    definition = build_definition(options(results="models"), TORCH, STORES, "http://service/code")
    assert [one.source.container for one in definition.training_data] == ["digits", "more"]
    assert definition.results_store.target.container == "models"
    assert definition.model_definition.definition_location == "http://service/code"
    assert build_definition(options(), TORCH, STORES).results_store.target.container == "digits"


def test_data_is_where_its_store_is() -> None:
    data = (
        DataSource("digits"),
        DataSource("lake", prefix="train", connection="aws_default"),
        DataSource("", mount="/data/imagenet"),
    )
    definition = build_definition(replace(options(), data=data), TORCH, STORES)
    dumped = definition.model_dump(mode="json", exclude_unset=True)["training_data"]
    assert [one["source"] for one in dumped] == [
        {"container": "digits", "type": "softlayer_objectstore"},
        {"container": "lake", "type": "s3", "prefix": "train"},
        {"type": "mount_volume", "path": "/data/imagenet"},
    ]
    assert isinstance(definition.training_data[1].connection, S3StoreConnection)
    assert definition.training_data[2].connection is None


def test_wrong_value_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidDefinition, match=r"model_definition\.execution\.command: must not be blank"):
        build_definition(options(command=" "), TORCH, STORES)


def test_printed_definition_has_no_secret() -> None:
    printed = json.dumps(printable_definition(build_definition(options(), TORCH, STORES)))
    assert "made-up-secret" not in printed
    assert "me:me" in printed


def test_size_must_fit_into_the_slots_of_the_service() -> None:
    require_slots(ResourceOptions(size="large"), 3)
    with pytest.raises(
        InvalidArgument, match="--size: large needs 3 GPUs, and the service has 2; small or medium fits"
    ):
        require_slots(ResourceOptions(size="large"), 2)
