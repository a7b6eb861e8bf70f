"""A definition with keys that a service does not know is refused by their names, and not sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.cli import definitions
from airflow_dlaas.cli.train.submit import submit
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.require_known_keys import require_known_keys
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.definition_keys import DEFINITION_KEYS
from airflow_dlaas.contract.stores import REVEAL_SECRETS
from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.hooks.dlaas import DlaasHook
from tests.integration.client.conftest import Answer, Service, instance, reply
from tests.integration.client.test_client import DEFINITION

EXECUTION = "model_definition.execution"


def definition_with(**execution: Any) -> TrainingDefinition:
    document = DEFINITION.model_dump(mode="json", by_alias=True, context=REVEAL_SECRETS, exclude_none=True)
    document["model_definition"]["execution"] |= execution
    return TrainingDefinition.model_validate(document)


def instance_with(*keys: str) -> Answer:
    """Return the description of a service that knows *keys*."""
    return reply(instance(definition_keys=keys))


OLDER = {"of another vendor": Answer(404), "older": instance_with(), "of the release before": instance_with("watchdog")}


@pytest.mark.parametrize("answer", OLDER.values(), ids=OLDER)
def test_each_unknown_key_is_named_with_the_service_and_nothing_is_sent(service: Service, client: Client, answer):
    service.script["/v3/wml_instances/default"] = [answer]
    definition = definition_with(hyperparameters={"lr": 1}, time_limit=60)
    with pytest.raises(InvalidDefinition) as refused:
        submit(client, definition, "key")
    first, second = refused.value.problems
    assert first.startswith(f"{EXECUTION}.hyperparameters: the service at {client.url} does not know this key")
    assert second.startswith(f"{EXECUTION}.time_limit: ")
    assert not service.requests_to("/v3/models")


S3 = {"source": {"container": "a", "type": "s3"}, "connection": {"access_key_id": "k", "secret_access_key": "s"}}
MOUNT = {"source": {"type": "mount_volume", "path": "/data"}}


def definition_of(*data: dict[str, Any]) -> TrainingDefinition:
    document = DEFINITION.model_dump(mode="json", by_alias=True, context=REVEAL_SECRETS, exclude_none=True)
    return TrainingDefinition.model_validate({**document, "training_data": data, "training_results": None})


def test_unknown_types_of_stores_and_missing_results_are_named(service: Service, client: Client):
    service.script["/v3/wml_instances/default"] = [instance_with()]
    with pytest.raises(InvalidDefinition) as refused:
        require_known_keys(client, definition_of(S3))
    assert refused.value.problems[0].startswith(f"s3: the service at {client.url} does not know this type of a store")
    with pytest.raises(InvalidDefinition) as refused:
        require_known_keys(client, definition_of(MOUNT))
    assert [one.partition(":")[0] for one in refused.value.problems] == ["mount_volume", "training_results"]


def test_service_that_knows_the_stores_gets_them(service: Service, client: Client):
    known = reply(instance(store_types=["s3", "mount_volume"], default_results=True))
    service.script["/v3/wml_instances/default"] = [known]
    require_known_keys(client, definition_of(S3))
    require_known_keys(client, definition_of(MOUNT))


def test_service_that_knows_the_keys_gets_them(service: Service, client: Client):
    service.script["/v3/wml_instances/default"] = [instance_with(*DEFINITION_KEYS)]
    require_known_keys(client, definition_with(hyperparameters={"lr": 1}, environment={"A": "x"}))


def test_definition_of_2017_needs_no_description_of_the_service(service: Service, client: Client):
    require_known_keys(client, DEFINITION)
    require_known_keys(client, definition_with(hyperparameters=None))
    assert not service.requests


def test_hook_refuses_unknown_keys(service: Service, monkeypatch: pytest.MonkeyPatch):
    service.script["/v3/wml_instances/default"] = [Answer(404)]
    fields = {"conn_type": "dlaas", "host": service.url, "login": "dlaas", "password": "pass-word"}
    monkeypatch.setenv("AIRFLOW_CONN_DLAAS_DEFAULT", json.dumps(fields))
    with pytest.raises(InvalidDefinition, match=r"execution\.environment: the service at http://127.* older airflow"):
        DlaasHook().create_training(definition_with(environment={"A": "x"}))
    assert not service.requests_to("/v3/models")


def test_console_refuses_unknown_keys(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    service.script["/v3/wml_instances/default"] = [Answer(404)]
    for name, value in {"URL": service.url, "USER": "dlaas", "PASSWORD": "pass-word"}.items():
        monkeypatch.setenv(f"DLAAS_{name}", value)
    document = definition_with(environment={"A": "x"}).model_dump(
        mode="json", by_alias=True, context=REVEAL_SECRETS, exclude_none=True
    )
    (tmp_path / "definition.json").write_text(json.dumps(document))
    with pytest.raises(InvalidDefinition, match=r"execution\.environment: the service at "):
        definitions.submit(tmp_path / "definition.json", home=tmp_path)
    assert not service.requests_to("/v3/models")
