"""What lies in a container, as something that DAGs are scheduled on."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetAny

from airflow_dlaas.assets.swift import create_asset
from airflow_dlaas.operators.data import UploadDataOperator

FORM = r"swift://connection@container/prefix"


def test_an_asset_has_the_address_that_an_upload_returns() -> None:
    """And the same for its name: Airflow takes two names of one address for a mistake."""
    assert create_asset(container="digits").name == create_asset(container="digits").uri
    assert create_asset(container="digits", prefix="train").uri == "swift://swift_default@digits/train"
    assert create_asset(container="digits", prefix="a/b", conn_id="own").uri == "swift://own@digits/a/b"
    assert create_asset(container="digits").uri == "swift://swift_default@digits/"
    assert UploadDataOperator.__doc__ is not None
    assert "swift://<connection>@<container>/<prefix>" in UploadDataOperator.__doc__


@pytest.mark.parametrize(
    "spellings",
    [
        ("swift://swift_default@digits", "swift://swift_default@digits/", "SWIFT://swift_default@digits//"),
        ("swift://swift_default@digits/train", "swift://swift_default@digits/train/"),
        ("swift://digits", "swift://digits/"),
    ],
)
def test_one_place_is_one_asset_however_it_is_spelled(spellings: tuple[str, ...]) -> None:
    (one,) = {Asset(uri=spelling).uri for spelling in spellings}
    assert Asset(uri=one).normalized_uri == one


def test_the_connection_and_the_case_of_a_name_tell_places_apart() -> None:
    addresses = ["swift://a@digits/x", "swift://b@digits/x", "swift://digits/x", "swift://a@Digits/x"]
    assert len({Asset(uri=address).uri for address in addresses}) == len(addresses)


def test_a_slash_at_either_end_of_a_prefix_means_nothing() -> None:
    assert create_asset(container="digits", prefix="/train/") == create_asset(container="digits", prefix="train")


def test_names_that_an_address_cannot_hold_stay_apart() -> None:
    names = ["a", "a?b", "a?c", "a#b", "a%3Fb", "ü", "a b"]
    assets = [create_asset(container="digits", prefix=name) for name in names]
    assert len({asset.uri for asset in assets}) == len(names)
    assert all(asset.uri.isascii() and asset.normalized_uri == asset.uri for asset in assets)
    assert create_asset(container="at@home").uri == "swift://swift_default@at%40home/"


@pytest.mark.parametrize("address", ["swift://", "swift:///train", "swift://conn@", "swift://conn@/train"])
def test_an_address_without_a_container_is_refused_with_the_way_out(address: str) -> None:
    with pytest.raises(ValueError, match=f"names no container.*{FORM}"):
        Asset(uri=address)


@pytest.mark.parametrize(
    "address", ["swift://c@../x", "swift://.", "swift://c/../x", "swift://c/a//b", "swift://c/%20"]
)
def test_an_address_of_no_place_is_refused_with_the_way_out(address: str) -> None:
    with pytest.raises(ValueError, match=rf"^(container|prefix): .*{FORM}"):
        Asset(uri=address)


@pytest.mark.parametrize("container", ["", "digits/train", None, 0, ".", "..", "x" * 257, "a\nb"])
def test_an_asset_without_a_container_is_refused_with_the_way_out(container: Any) -> None:
    with pytest.raises(ValueError, match=rf"^container: .*{FORM}"):
        create_asset(container=container)


@pytest.mark.parametrize("prefix", [None, 0, "..", "a//b", "a/./b", " a", "a\nb"])
def test_an_asset_of_no_folder_is_refused_with_the_way_out(prefix: Any) -> None:
    with pytest.raises(ValueError, match=rf"^prefix: .*{FORM}"):
        create_asset(container="c", prefix=prefix)


def test_what_else_is_known_of_it_comes_along() -> None:
    assert create_asset(container="digits", extra={"owner": "we"}).extra == {"owner": "we"}


def test_a_dag_is_scheduled_on_it() -> None:
    digits, letters = create_asset(container="digits"), create_asset(container="letters")
    with DAG("train", schedule=digits | letters) as dag:
        UploadDataOperator(task_id="upload", source="/srv/digits", container="digits", outlets=[digits])
    assert isinstance(dag.schedule, AssetAny)
    assert list(dag.schedule.objects) == [digits, letters]
