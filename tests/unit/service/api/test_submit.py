"""Submission of a definition: accepted and refused ones, and the errors."""

from __future__ import annotations

import json
import re
from threading import Barrier, Thread

import pytest

from airflow_dlaas.contract.stores import MASK
from airflow_dlaas.exceptions import (
    ContainerNotFound,
    InvalidName,
    StoreError,
    StoreNotAllowed,
    StoreRedirected,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.service.api.dependencies import ApiLimits
from airflow_dlaas.service.api.submit import MAX_COMMAND_BYTES
from tests.unit.service.api.conftest import DEFINITION, STORE_PASSWORD, make_zip

CONNECTION = DEFINITION["training_data"][0]["connection"]
OTHER_PLACE = {"connection": CONNECTION, "source": {"container": "b", "type": "softlayer_objectstore"}}
RESULTS = {"connection": CONNECTION, "target": {"container": "r", "type": "softlayer_objectstore"}}


def errors(reply) -> list[tuple[str, str]]:
    return [(one["code"], one["target"]["name"]) for one in reply.json()["errors"]]


def test_example_of_the_documentation_is_accepted(service) -> None:
    definition = service.definition()
    reply = service.client.post(
        "/v3/models",
        content=json.dumps(definition),
        headers={
            "Authorization": f"BEARER {service.log_in()}",
            "Content-Type": "application/x-www-form-urlencoded",  # as curl --data-binary sends
            "X-WML-User-Client": "WML-User",
        },
    )
    assert reply.status_code == 202
    metadata, entity = reply.json()["metadata"], reply.json()["entity"]
    assert re.fullmatch(r"training-[A-Za-z0-9_-]{9}", metadata["guid"])
    assert metadata == {
        "guid": metadata["guid"],
        "url": f"/v3/models/{metadata['guid']}",
        "created_at": "2026-03-01T12:00:00.000Z",
        "modified_at": "2026-03-01T12:00:00.000Z",
    }
    assert entity.pop("status") == {
        "state": "pending",
        "submitted_at": "2026-03-01T12:00:00.000Z",
        "current_at": "2026-03-01T12:00:00.000Z",
        "metrics": [],
        "phase": "queued",
        "queue_position": 0,
        "phases": [{"phase": "queued", "since": "2026-03-01T12:00:00.000Z"}],
        "runtime": "TensorFlow, as documented",
        "resources": {"requested": {"gpus": 1}, "enforced": []},
        "attempt": 1,
    }
    definition["training_data"][0]["connection"]["password"] = MASK
    assert entity == definition
    assert service.woken == ["wake"]


def test_responses_contain_no_secrets_and_the_dispatcher_gets_them(service, caplog: pytest.LogCaptureFixture) -> None:
    run = service.submit()
    for path in ("/v3/models", f"/v3/models/{run}", "/v3/models?after=0"):
        assert STORE_PASSWORD not in service.client.get(path).text
    assert STORE_PASSWORD not in caplog.text
    (data,) = service.store.get_definition_with_secrets(run).training_data
    assert data.connection.password.get_secret_value() == STORE_PASSWORD


@pytest.mark.parametrize("service", [{"limits": ApiLimits()}], indirect=True)
def test_command_longer_than_the_limit_of_linux_is_refused(service) -> None:
    longest = service.definition(model_definition__execution__command="x" * MAX_COMMAND_BYTES)
    assert service.client.post("/v3/models", json=longest).status_code == 202
    longer = service.definition(model_definition__execution__command="ä" * (MAX_COMMAND_BYTES // 2 + 1))
    reply = service.client.post("/v3/models", json=longer)
    assert reply.status_code == 400
    assert errors(reply) == [("C101", "model_definition.execution.command")]
    assert "128,000 bytes long, not 128,002" in reply.text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model_definition__nmae": "x"}, "model_definition.nmae"),
        ({"model_definition__name": ""}, "model_definition.name"),
        ({"model_definition__framework__name": ""}, "model_definition.framework.name"),
        ({"model_definition__framework": None}, "model_definition.framework"),
        ({"model_definition__execution__resourceType": "huge"}, "model_definition.execution.resourceType"),
        ({"model_definition__execution__command": "  "}, "model_definition.execution.command"),
        ({"model_definition__execution__command": "a\0b"}, "model_definition.execution.command"),
        ({"training_data": []}, "training_results"),
        ({"training_data": {}}, "training_data"),
        ({"training_data": [OTHER_PLACE] * 5}, "training_data"),
        ({"training_data__0__source__type": "nfs"}, "training_data[0].source.type"),
        ({"training_data__0__source__container": "a/b"}, "training_data[0].source.container"),
        ({"training_data__0__connection__auth_url": "file:///etc"}, "training_data[0].connection.auth_url"),
        ({"model_definition__framework__version": "9.9"}, "model_definition.framework"),
        ({"model_definition__definition_location": "http://evil.example/v3/ml_assets/experiments/a"},
         "model_definition.definition_location"),
        ({"model_definition__definition_location": "/v3/ml_assets/experiments/none"},
         "model_definition.definition_location"),
    ],
)  # fmt: skip
def test_invalid_field_of_a_definition_is_named_with_c101(service, changes: dict[str, object], field: str) -> None:
    reply = service.client.post("/v3/models", json=service.definition(**changes))
    assert reply.status_code == 400
    assert errors(reply) == [("C101", field)]
    assert service.client.get("/v3/models").json() == {"resources": []}
    assert (service.stores.asked, service.woken) == ([], [])


def test_all_invalid_fields_are_reported_together_without_values(service) -> None:
    definition = service.definition(training_data__0__connection__pasword="geheim", model_definition__name="")
    del definition["model_definition"]["execution"]["command"]
    reply = service.client.post("/v3/models", json=definition)
    assert {field for _, field in errors(reply)} == {
        "model_definition.name",
        "model_definition.execution.command",
        "training_data[0].connection.pasword",
    }
    assert "geheim" not in reply.text


def test_unknown_framework_is_refused_with_the_available_ones(service) -> None:
    reply = service.client.post("/v3/models", json=service.definition(model_definition__framework__version="9.9"))
    assert "there is: tensorflow 1.2-py3" in reply.json()["errors"][0]["message"]


def test_too_many_gpus_are_refused_with_both_numbers(service) -> None:
    reply = service.client.post(
        "/v3/models", json=service.definition(model_definition__execution__resourceType="large")
    )
    assert errors(reply) == [("C104", "model_definition.execution.resourceType")]
    assert "needs 3 GPUs, and this service has 2" in reply.json()["errors"][0]["message"]


@pytest.mark.parametrize("spelling", ["{v}", "{v}/content", "{e}", "{e}/content"])
@pytest.mark.parametrize("absolute", [True, False])
def test_code_location_is_accepted_in_all_spellings(service, spelling: str, absolute: bool) -> None:
    made = service.experiment(make_zip())
    version = made["entity"]["experiment_version"]
    location = spelling.format(v=version["url"], e=made["metadata"]["url"])
    if not absolute:
        location = location.removeprefix("http://dlaas.example:8480")
    run = service.submit(model_definition__definition_location=location)
    digest = service.store.get_version("dlaas", made["metadata"]["guid"], version["guid"]).digest
    assert service.store.get_training("dlaas", run).code == digest


def test_version_without_content_is_refused(service) -> None:
    url = service.experiment()["entity"]["experiment_version"]["url"]
    reply = service.client.post("/v3/models", json=service.definition(model_definition__definition_location=url))
    assert errors(reply) == [("C102", "model_definition.definition_location")]


def test_code_of_another_user_is_refused(service) -> None:
    definition = service.definition()
    other = {"Authorization": f"Bearer {service.log_in('other')}"}
    assert errors(service.client.post("/v3/models", json=definition, headers=other)) == [
        ("C101", "model_definition.definition_location")
    ]


def test_object_store_that_is_not_allowed_is_never_called(service) -> None:
    metadata = {**CONNECTION, "auth_url": "http://169.254.169.254/latest"}
    inside = {**CONNECTION, "auth_url": "http://127.0.0.1:8480/v3/models"}
    definition = service.definition(training_data__0__connection=metadata)
    definition["training_data"].append({**OTHER_PLACE})
    definition["training_results"] = {**RESULTS, "connection": inside}
    reply = service.client.post("/v3/models", json=definition)
    assert reply.status_code == 400
    assert errors(reply) == [
        ("C103", "training_data[0].connection.auth_url"),
        ("C103", "training_results.connection.auth_url"),
    ]
    first = reply.json()["errors"][0]["message"]
    for word in ("169.254.169.254:80", "*.objectstorage.service.networklayer.com", "DLAAS_OBJECT_STORES"):
        assert word in first
    assert service.stores.asked == []
    assert service.client.get("/v3/models").json() == {"resources": []}


@pytest.mark.parametrize(
    "url", ["http://@evil.example/auth", "http://lon02.objectstorage.service.networklayer.com\\@evil.example/"]
)
def test_url_with_an_ambiguous_host_is_refused(service, url: str) -> None:
    definition = service.definition(training_data__0__connection__auth_url=url)
    reply = service.client.post("/v3/models", json=definition)
    assert reply.status_code == 400
    assert [field for _, field in errors(reply)] == ["training_data[0].connection.auth_url"]
    assert service.stores.asked == []


def test_all_unusable_containers_are_named_with_c103(service) -> None:
    service.stores.refusals = {
        "tf_training_data_container": ContainerNotFound("no"),
        "b": StoreRefused("the token has expired"),
        "r": StoreUnreachable("no answer from b"),
    }
    definition = service.definition(training_results=RESULTS)
    definition["training_data"].append(OTHER_PLACE)
    reply = service.client.post("/v3/models", json=definition)
    assert reply.status_code == 400
    assert errors(reply) == [
        ("C103", "training_data[0].source.container"),
        ("C103", "training_data[1].connection"),
        ("C103", "training_results.connection.auth_url"),
    ]
    refused, unreachable = (one["message"] for one in reply.json()["errors"][1:])
    assert refused == "training_data[1].connection: the token has expired"
    assert unreachable == "training_results.connection.auth_url: no answer from b"
    assert STORE_PASSWORD not in reply.text
    assert service.client.get("/v3/models").json() == {"resources": []}


@pytest.mark.parametrize("error", [StoreRedirected("http://a redirects to http://b"), StoreNotAllowed("add b")])
def test_redirected_login_is_refused_with_the_whole_reason(service, error: StoreError) -> None:
    service.stores.refusals = {"tf_training_data_container": error}
    reply = service.client.post("/v3/models", json=service.definition())
    assert reply.status_code == 400
    assert errors(reply) == [("C103", "training_data[0].connection.auth_url")]
    assert reply.json()["errors"][0]["message"] == f"training_data[0].connection.auth_url: {error}"


def test_container_with_an_invalid_name_is_refused_with_the_reason(service) -> None:
    service.stores.refusals = {"data ": InvalidName("container: 'data ' is not the name of a container")}
    reply = service.client.post("/v3/models", json=service.definition(training_data__0__source__container="data "))
    assert reply.status_code == 400
    assert errors(reply) == [("C103", "training_data[0].source.container")]
    assert "'data ' is not the name of a container" in reply.json()["errors"][0]["message"]


def test_container_that_is_named_twice_is_checked_once(service) -> None:
    definition = service.definition()
    definition["training_data"] *= 3
    assert service.client.post("/v3/models", json=definition).status_code == 202
    assert service.stores.asked == ["tf_training_data_container"]


def test_repeated_idempotency_key_returns_the_same_training(service) -> None:
    definition = service.definition()
    headers = {"Idempotency-Key": "dag/run/task/-1/0"}
    first = service.client.post("/v3/models", json=definition, headers=headers)
    # A request is repeated after a lost response, when store and code may be gone and the password may have changed.
    service.stores.refusals = {"tf_training_data_container": StoreUnreachable("no")}
    definition["training_data"][0]["connection"]["password"] = "a new one"
    second = service.client.post("/v3/models", json=definition, headers=headers)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert len(service.client.get("/v3/models").json()["resources"]) == 1


def test_idempotency_key_with_another_definition_is_a_conflict(service) -> None:
    definition = service.definition()
    headers = {"Idempotency-Key": "k"}
    service.client.post("/v3/models", json=definition, headers=headers)
    definition["model_definition"]["name"] = "other"
    reply = service.client.post("/v3/models", json=definition, headers=headers)
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (409, "conflict")
    assert reply.json()["errors"][0]["target"] == {"type": "header", "name": "Idempotency-Key"}


def test_idempotency_keys_belong_to_their_user(service) -> None:
    created = service.client.post("/v3/models", json=service.definition(), headers={"Idempotency-Key": "k"}).json()
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    other = service.client.post("/v3/models", json=service.definition(), headers={"Idempotency-Key": "k"}).json()
    assert created["metadata"]["guid"] != other["metadata"]["guid"]


@pytest.mark.parametrize("key", ["x" * 256, "a\x7f"])
def test_invalid_idempotency_key_is_refused(service, key: str) -> None:
    reply = service.client.post("/v3/models", json=service.definition(), headers={"Idempotency-Key": key})
    assert reply.json()["errors"][0]["target"] == {"type": "header", "name": "Idempotency-Key"}


def test_concurrent_submits_with_one_key_create_one_training(service) -> None:
    definition, barrier, seen = service.definition(), Barrier(6), []

    def submit() -> None:
        barrier.wait()
        reply = service.client.post("/v3/models", json=definition, headers={"Idempotency-Key": "k"})
        seen.append((reply.status_code, reply.json()["metadata"]["guid"]))

    threads = [Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert seen[0][0] == 202
