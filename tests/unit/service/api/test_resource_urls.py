"""Locations of code in a definition."""

from __future__ import annotations

import pytest

from airflow_dlaas.exceptions import InvalidRequest
from airflow_dlaas.service.api.resource_urls import parse_definition_location

BASES = ("https://dlaas.example/base/", "http://localhost:8480/")
VERSION = "/v3/ml_assets/experiments/e-1/versions/v-1"


@pytest.mark.parametrize(
    "base", ["", "http://localhost:8480", "http://127.0.0.1:8480", "https://DLAAS.example:443/base"]
)
@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (VERSION, ("e-1", "v-1")),
        (f"{VERSION}/content", ("e-1", "v-1")),
        ("/v3/ml_assets/experiments/e-1", ("e-1", None)),
        ("/v3/ml_assets/experiments/e-1/content", ("e-1", None)),
    ],
)
def test_definition_location_is_accepted_in_four_spellings(base: str, path: str, meant: tuple[str, str | None]) -> None:
    assert parse_definition_location(base + path, BASES) == meant


@pytest.mark.parametrize(
    "location",
    [
        f"http://169.254.169.254{VERSION}",
        f"http://localhost:9999{VERSION}",
        f"//evil.example{VERSION}",
        f"ftp://localhost:8480{VERSION}",
        f"http://user@localhost:8480{VERSION}",
        f"file://{VERSION}",
        f"https://dlaas.example{VERSION}",
        f"http://localhost:99999{VERSION}",
        f"http://[::1{VERSION}",
        f"{VERSION}?x=1",
        f"{VERSION}#x",
        "/v3/ml_assets/experiments/../../models",
        "/etc/passwd",
        "e-1",
        "",
    ],
)
def test_invalid_definition_location_names_the_field(location: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_definition_location(location, BASES)
    assert (refusal.value.code, refusal.value.target) == ("C101", "model_definition.definition_location")
