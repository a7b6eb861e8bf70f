"""References to secrets, and their values from Airflow's connections and variables (in the environment)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_dlaas.exceptions import InvalidDefinition, NotConfigured
from airflow_dlaas.parameters.secret_reference import SecretReference, parse_secret_reference
from airflow_dlaas.task_runs.secrets import aread_secrets, read_secrets

EXTRA = {"hub": {"token": "tok-of-the-hub", "empty": ""}, "key": {"type": "sa"}, "number": 1234567}


@pytest.fixture(autouse=True)
def _airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "http", "host": "hub.example.org", "login": "trainer", "port": 480000}
    monkeypatch.setenv("AIRFLOW_CONN_HF", json.dumps({**connection, "password": "hf_abcdef", "extra": EXTRA}))
    monkeypatch.setenv("AIRFLOW_CONN_BARE", json.dumps({"conn_type": "http", "password": "q7x"}))
    monkeypatch.setenv("AIRFLOW_VAR_TOKEN", "variable-token")


def document(**secrets: Any) -> dict[str, Any]:
    return {"model_definition": {"execution": {"secrets": secrets}}}


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("conn:hf", SecretReference("hf", "password")),
        ("conn:hf/login", SecretReference("hf", "login")),
        ("conn:team/hf/port", SecretReference("team/hf", "port")),
        ("conn:hf/extra.a.b", SecretReference("hf", "extra.a.b")),
        ("var:team/token", SecretReference("team/token")),
    ],
)
def test_reference_is_parsed(text: str, reference: SecretReference) -> None:
    assert parse_secret_reference(text) == reference
    assert parse_secret_reference(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("conn:", "names no connection"),
        ("conn:/password", "names no connection"),
        ("conn:hf/passwd", "names no field"),
        ("conn:hf/", "names no field"),
        ("conn:hf/extra.", "names no field"),
        ("conn:hf/extra.a..b", "names no field"),
        ("var: ", "names no variable"),
    ],
)
def test_wrong_reference_is_refused_with_what_is_accepted(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"{why}.*conn:ID/FIELD .*var:NAME"):
        parse_secret_reference(text)


def test_values_come_from_connections_and_variables() -> None:
    secrets = document(
        A="conn:hf", B="conn:hf/login", C="conn:hf/host", D="conn:hf/port", E="conn:hf/extra.hub.token", F="var:token"
    )
    values = {
        "A": "hf_abcdef",
        "B": "trainer",
        "C": "hub.example.org",
        "D": "480000",
        "E": "tok-of-the-hub",
        "F": "variable-token",
    }
    assert read_secrets(secrets) == values
    assert asyncio.run(aread_secrets(json.dumps(secrets))) == values


def test_object_in_the_extra_is_passed_as_json() -> None:
    values = read_secrets(document(KEY="conn:hf/extra.key", NUMBER="conn:hf/extra.number"))
    assert values == {"KEY": '{"type": "sa"}', "NUMBER": "1234567"}


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("conn:none", "there is no Airflow connection 'none'"),
        ("var:none", "there is no Airflow variable 'none'"),
        ("conn:bare/login", "it is empty"),
        ("conn:bare", "it has fewer than 6 characters"),
        ("conn:hf/extra.hub.other", "the connection's extra has no hub.other"),
        ("conn:hf/extra.hub.token.deeper", "the connection's extra has no hub.token.deeper"),
        ("conn:hf/extra.hub.empty", "it is empty"),
        ("conn:bare/extra.hub", "the connection's extra has no hub"),
    ],
)
def test_missing_secret_is_an_error_that_names_variable_and_reference_but_no_value(reference: str, why: str) -> None:
    with pytest.raises(NotConfigured) as raised:
        read_secrets(document(FINE="conn:hf", HF_TOKEN=reference))
    message = str(raised.value)
    assert message.startswith("model_definition.execution.secrets.HF_TOKEN (")
    assert why in message
    assert not any(value in message for value in ("q7x", "hf_abcdef", "tok-of"))


def test_every_missing_secret_is_named() -> None:
    with pytest.raises(NotConfigured, match=r"\.A \(conn:none/password\).*\.B \(var:none\)"):
        read_secrets(document(A="conn:none", B="var:none"))


def test_literal_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InvalidDefinition, match=r"secrets\.A: must be a reference") as raised:
        read_secrets(document(A="in-the-open"))
    assert "in-the-open" not in str(raised.value)


def test_log_of_the_task_masks_each_value() -> None:
    from airflow.sdk.log import redact

    read_secrets(document(HOST="conn:hf/host", TOKEN="var:token"))
    assert redact("from hub.example.org with variable-token") == "from *** with ***"


def test_definition_without_secrets_reads_nothing() -> None:
    assert read_secrets({"model_definition": {"execution": {"command": "true"}}}) == {}
    assert asyncio.run(aread_secrets({"model_definition": "{{ params.model }}"})) == {}
