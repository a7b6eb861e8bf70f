"""Tests of training definitions in files."""

from __future__ import annotations

import json

import pytest

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
        return read_definition(file, lambda name: PLACEHOLDER_CONNECTION | {"userId": name})

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
        (make_document(training_data=[]), "training_data"),
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
        read_definition(tmp_path / "none.json", lambda _: PLACEHOLDER_CONNECTION)
