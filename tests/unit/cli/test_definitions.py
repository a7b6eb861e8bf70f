"""Tests of training definitions in files."""

from __future__ import annotations

import json

import pytest

from airflow_dlaas.cli.definition_secrets import PLACEHOLDER, check_reference, from_environment
from airflow_dlaas.cli.definitions import PLACEHOLDER_CONNECTION, read_definition
from airflow_dlaas.exceptions import InvalidDefinition


def make_document(**more):
    connection = {"auth_url": "https://s/auth/v1.0", "userId": "a:b", "password": "hush"}
    return {
        "model_definition": {
            "name": "digits",
            "definition_location": "/v3/ml_assets/experiments/1/versions/2",
            "framework": {"name": "tensorflow", "version": "1.2-py3"},
            "execution": {"command": "python3 net.py", "resourceType": "small"},
        },
        "training_data": [{"connection": connection, "source": {"container": "data", "type": "softlayer_objectstore"}}],
    } | more


@pytest.fixture
def read(tmp_path):
    def read(document):
        file = tmp_path / "definition.json"
        file.write_text(document if isinstance(document, str) else json.dumps(document))
        connection = lambda name: PLACEHOLDER_CONNECTION | {"userId": name}  # noqa: E731
        return read_definition(file, connection, from_environment({"HF_TOKEN": "hf_abcdef", "PIN": "q7x"}))

    return read


def test_read_definition_keeps_credentials(read):
    assert read(make_document()).training_data[0].connection.user == "a:b"


def test_read_definition_looks_up_a_connection_by_its_name(read):
    document = make_document()
    document["training_data"][0]["connection"] = "swift_default"
    target = {"container": "results", "type": "softlayer_objectstore"}
    document["training_results"] = {"connection": "other", "target": target}
    definition = read(document)
    assert definition.training_data[0].connection.user == "swift_default"
    assert definition.results_store.connection.user == "other"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "(the whole)"),
        (make_document(training_data={}), "training_data"),
        (make_document(training_data="all"), "training_data"),
        (make_document(colour="red"), "colour: is not a key of the definition"),
    ],
)
def test_read_definition_names_every_problem(read, document, problem):
    with pytest.raises(InvalidDefinition) as caught:
        read(document)
    assert any(problem in line for line in caught.value.problems)
    assert "hush" not in str(caught.value)


def test_read_definition_reports_a_missing_file(tmp_path):
    with pytest.raises(InvalidDefinition, match="cannot be read"):
        read_definition(tmp_path / "none.json", lambda _: PLACEHOLDER_CONNECTION, check_reference)


def with_secrets(**secrets):
    document = make_document()
    document["model_definition"]["execution"]["secrets"] = secrets
    return document


def test_read_definition_takes_secrets_from_the_environment(read):
    secrets = read(with_secrets(TOKEN="env:HF_TOKEN", ABSENT=None)).model_definition.execution.secrets
    assert {name: one.get_secret_value() for name, one in secrets.items()} == {"TOKEN": "hf_abcdef"}


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("hush-hush", "secrets.TOKEN: a value in the file would be readable for others: write env:NAME"),
        ("env:", "secrets.TOKEN: a value in the file would be readable"),
        ("env:NONE", "secrets.TOKEN: the variable NONE of this shell is not set: export it"),
        ("env:PIN", "secrets: TOKEN must have at least 6 characters"),
        ("conn:hf", "secrets.TOKEN: 'conn:hf' is read by Airflow, and not by this console: write env:NAME"),
        (5, "secrets.TOKEN: must be a string"),
    ],
)
def test_read_definition_refuses_another_secret_and_names_the_remedy(read, secret, problem):
    with pytest.raises(InvalidDefinition) as caught:
        read(with_secrets(TOKEN=secret))
    assert problem in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "q7x" not in str(caught.value)


@pytest.mark.parametrize("reference", ["env:ANY", "conn:hf/login", "var:token"])
def test_a_reference_is_checked_without_its_value(reference):
    assert check_reference(reference) == PLACEHOLDER


@pytest.mark.parametrize("reference", ["hush-hush", "conn:hf/passwd", "var:"])
def test_a_wrong_reference_is_refused(reference):
    with pytest.raises(ValueError, match=r"env:NAME|conn:ID") as caught:
        check_reference(reference)
    assert "hush" not in str(caught.value)
