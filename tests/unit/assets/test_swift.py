"""Assets for the content of a container."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetAny

from airflow_dlaas.assets.swift import create_asset
from airflow_dlaas.operators.data import UploadDataOperator

URI_PATTERN = r"swift://connection@container/prefix"


def test_asset_has_the_uri_that_an_upload_returns() -> None:
    """The name is the URI too: Airflow treats two names of one URI as an error."""
    assert create_asset(container="digits").name == create_asset(container="digits").uri
    assert create_asset(container="digits", prefix="train").uri == "swift://swift_default@digits/train"
    assert create_asset(container="digits", prefix="a/b", conn_id="own").uri == "swift://own@digits/a/b"
    assert create_asset(container="digits").uri == "swift://swift_default@digits/"
    assert UploadDataOperator.__doc__ is not None
    assert "swift://<connection>@<container>/<prefix>" in UploadDataOperator.__doc__


@pytest.mark.parametrize(
    "variants",
    [
        ("swift://swift_default@digits", "swift://swift_default@digits/", "SWIFT://swift_default@digits//"),
        ("swift://swift_default@digits/train", "swift://swift_default@digits/train/"),
        ("swift://digits", "swift://digits/"),
    ],
)
def test_variants_of_a_uri_are_one_asset(variants: tuple[str, ...]) -> None:
    (one,) = {Asset(uri=variant).uri for variant in variants}
    assert Asset(uri=one).normalized_uri == one


def test_connection_and_case_of_a_name_distinguish_assets() -> None:
    uris = ["swift://a@digits/x", "swift://b@digits/x", "swift://digits/x", "swift://a@Digits/x"]
    assert len({Asset(uri=uri).uri for uri in uris}) == len(uris)


def test_slash_at_the_ends_of_a_prefix_is_ignored() -> None:
    assert create_asset(container="digits", prefix="/train/") == create_asset(container="digits", prefix="train")


def test_names_with_special_characters_are_distinct_assets() -> None:
    names = ["a", "a?b", "a?c", "a#b", "a%3Fb", "ü", "a b"]
    assets = [create_asset(container="digits", prefix=name) for name in names]
    assert len({asset.uri for asset in assets}) == len(names)
    assert all(asset.uri.isascii() and asset.normalized_uri == asset.uri for asset in assets)
    assert create_asset(container="at@home").uri == "swift://swift_default@at%40home/"


@pytest.mark.parametrize("uri", ["swift://", "swift:///train", "swift://conn@", "swift://conn@/train"])
def test_uri_without_a_container_is_refused_with_a_hint(uri: str) -> None:
    with pytest.raises(ValueError, match=f"names no container.*{URI_PATTERN}"):
        Asset(uri=uri)


@pytest.mark.parametrize("uri", ["swift://c@../x", "swift://.", "swift://c/../x", "swift://c/a//b", "swift://c/%20"])
def test_uri_with_invalid_names_is_refused_with_a_hint(uri: str) -> None:
    with pytest.raises(ValueError, match=rf"^(container|prefix): .*{URI_PATTERN}"):
        Asset(uri=uri)


@pytest.mark.parametrize("container", ["", "digits/train", None, 0, ".", "..", "x" * 257, "a\nb"])
def test_asset_without_a_valid_container_is_refused_with_a_hint(container: Any) -> None:
    with pytest.raises(ValueError, match=rf"^container: .*{URI_PATTERN}"):
        create_asset(container=container)


@pytest.mark.parametrize("prefix", [None, 0, "..", "a//b", "a/./b", " a", "a\nb"])
def test_asset_without_a_valid_prefix_is_refused_with_a_hint(prefix: Any) -> None:
    with pytest.raises(ValueError, match=rf"^prefix: .*{URI_PATTERN}"):
        create_asset(container="c", prefix=prefix)


def test_asset_keeps_its_extra() -> None:
    assert create_asset(container="digits", extra={"owner": "we"}).extra == {"owner": "we"}


def test_dag_is_scheduled_on_assets() -> None:
    digits, letters = create_asset(container="digits"), create_asset(container="letters")
    with DAG("train", schedule=digits | letters) as dag:
        UploadDataOperator(task_id="upload", source="/srv/digits", container="digits", outlets=[digits])
    assert isinstance(dag.schedule, AssetAny)
    assert list(dag.schedule.objects) == [digits, letters]
