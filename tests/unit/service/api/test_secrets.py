"""Secrets of a definition (`execution.secrets`): who gets them, where they are not, and where they are refused."""

from __future__ import annotations

import pytest

from airflow_dlaas.contract.stores import MASK

TOKEN = "hf_Value-of-the-secret"
SECRETS = {"model_definition__execution__secrets": {"HF_TOKEN": TOKEN}}


def test_dispatcher_gets_secrets_and_no_response_has_them(service, caplog: pytest.LogCaptureFixture) -> None:
    created = service.client.post("/v3/models", json=service.definition(**SECRETS))
    run = created.json()["metadata"]["guid"]
    assert created.json()["entity"]["model_definition"]["execution"]["secrets"] == {"HF_TOKEN": MASK}
    for path in ("/v3/models", f"/v3/models/{run}", "/v3/models?after=0"):
        assert TOKEN not in service.client.get(path).text
    assert TOKEN not in created.text + caplog.text
    secrets = service.store.get_definition_with_secrets(run).model_definition.execution.secrets
    assert secrets["HF_TOKEN"].get_secret_value() == TOKEN


def test_request_with_a_rotated_secret_is_the_same_request(service) -> None:
    definition, headers = service.definition(**SECRETS), {"Idempotency-Key": "dag/run/task/-1/0"}
    execution = definition["model_definition"]["execution"]
    first = service.client.post("/v3/models", json=definition, headers=headers)
    execution["secrets"] = {"HF_TOKEN": "hf_rotated"}
    again = service.client.post("/v3/models", json=definition, headers=headers)
    assert again.json()["metadata"]["guid"] == first.json()["metadata"]["guid"]
    execution["secrets"] = {"OTHER_TOKEN": TOKEN}
    assert service.client.post("/v3/models", json=definition, headers=headers).status_code == 409


def test_short_secret_is_refused_without_its_value(service) -> None:
    definition = service.definition(model_definition__execution__secrets={"PIN": "q7x9z"})
    reply = service.client.post("/v3/models", json=definition)
    assert reply.status_code == 400
    assert "PIN must have at least 6 characters" in reply.text
    assert "q7x9z" not in reply.text


@pytest.mark.parametrize("service", [{"isolates_secrets": False}], indirect=True)
def test_service_without_isolation_refuses_secrets_and_names_the_ways_out(service) -> None:
    reply = service.client.post("/v3/models", json=service.definition(**SECRETS))
    assert reply.status_code == 400
    (error,) = reply.json()["errors"]
    assert (error["code"], error["target"]["name"]) == ("C101", "model_definition.execution.secrets")
    assert "DLAAS_ISOLATION=auto" in error["message"]
    assert "DLAAS_SECRETS_WITHOUT_ISOLATION=yes" in error["message"]
    assert TOKEN not in reply.text
    plain = service.definition(model_definition__execution__environment={"HF_HOME": "/tmp/hf"})
    assert service.client.post("/v3/models", json=plain).status_code == 202
