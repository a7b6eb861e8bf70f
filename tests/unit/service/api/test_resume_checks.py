"""What a definition may ask for to be stopped and resumed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.service.api.dependencies import ApiLimits
from airflow_dlaas.service.api.resume_checks import MAX_CHECKPOINT_SOURCES
from airflow_dlaas.service.job_spec import CheckpointSource
from airflow_dlaas.service.store.records import TrainingRecord
from tests.unit.service.api.conftest import DEFINITION
from tests.unit.service.api.test_models import end, start
from tests.unit.service.api.test_submit import errors

GRACE = "model_definition__execution__grace"
CONTAINER = "tf_training_data_container"


def results_in(container: str, **connection: str) -> dict[str, Any]:
    """Return `training_results` in *container*, with another *connection* than the training data."""
    store = deepcopy(DEFINITION["training_data"][0]["connection"]) | connection
    return {"connection": store, "target": {"container": container, "type": "softlayer_objectstore"}}


def sources(service, run: str) -> list[tuple[str, str]]:
    record = service.store.get_training("dlaas", run)
    return [(one.training_id, one.container) for one in record.checkpoint_sources]


@pytest.mark.parametrize("service", [{"limits": ApiLimits(grace=60)}], indirect=True)
def test_grace_up_to_the_limit_of_the_site_is_accepted_and_more_is_refused_with_the_setting(service) -> None:
    for accepted in (0, 59.5, 60):
        service.submit(**{GRACE: accepted})
    reply = service.client.post("/v3/models", json=service.definition(**{GRACE: 61}))
    assert errors(reply) == [("C101", "model_definition.execution.grace")]
    message = reply.json()["errors"][0]["message"]
    assert "must be at most 60 seconds, not 61" in message
    assert "DLAAS_GRACE_LIMIT" in message


def test_training_that_names_no_other_begins_without_a_checkpoint(service) -> None:
    assert sources(service, service.submit()) == []


@pytest.mark.parametrize("state", ["queued", "running", "ended"])
def test_training_begins_with_the_checkpoint_of_a_training_in_any_state(service, state: str) -> None:
    named = service.submit(training_results=results_in("r"))
    if state != "queued":
        start(service, named)
    if state == "ended":
        end(service, named)
    assert sources(service, service.submit(resume_from=named)) == [(named, "r")]


def test_trainings_of_the_chain_come_after_the_named_one(service) -> None:
    first = service.submit()
    second = service.submit(resume_from=first, training_results=results_in("r"))
    third = service.submit(resume_from=second)
    assert sources(service, third) == [(second, "r"), (first, CONTAINER)]
    end_of_chain = service.client.get(f"/v3/models/{third}").json()["entity"]
    assert end_of_chain["resume_from"] == second


def test_chain_is_limited_and_loses_the_oldest_trainings(service) -> None:
    named = service.submit()
    record, chain = service.store.get_training("dlaas", named), [(f"t{one}", "c") for one in range(40)]
    longest = add_record(service, record, "training-longchain", chain)
    assert sources(service, service.submit(resume_from=longest)) == [
        (longest, CONTAINER),
        *chain[: MAX_CHECKPOINT_SOURCES - 1],
    ]


def add_record(service, like: TrainingRecord, training_id: str, chain: list[tuple[str, str]], **values: Any) -> str:
    """Store a training as another one, with a chain of its own."""
    made = tuple(CheckpointSource(training_id=one, container=container) for one, container in chain)
    record = replace(like, id=training_id, checkpoint_sources=made, **values)
    definition = TrainingDefinition.parse(dict(like.definition))
    service.store.create_training(record, definition, key=None, request_digest="d")
    return training_id


@pytest.mark.parametrize("named", ["training-unknown00", "a/b", "x\0", "ä", "../x"])
def test_unknown_training_is_refused(service, named: str) -> None:
    reply = service.client.post("/v3/models", json=service.definition(resume_from=named))
    assert (reply.status_code, errors(reply)) == (400, [("C101", "resume_from")])
    assert (service.stores.asked, service.woken) == ([], [])


def test_training_of_another_user_is_refused_as_an_unknown_one(service) -> None:
    theirs = service.submit()
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    reply = service.client.post("/v3/models", json=service.definition(resume_from=theirs))
    assert errors(reply) == [("C101", "resume_from")]
    unknown = service.client.post("/v3/models", json=service.definition(resume_from="training-unknown00"))
    assert reply.json()["errors"][0]["message"].replace(theirs, "ID") == (
        unknown.json()["errors"][0]["message"].replace("training-unknown00", "ID")
    )


KEYSTONE = {"project_id": "p", "region": "r", "domain_name": "d"}


@pytest.mark.parametrize(
    ("theirs", "ours", "accepted"),
    [
        ({}, {"password": "changed"}, True),
        ({}, {"auth_url": "https://lon02.objectstorage.service.networklayer.com/auth/v1.0/"}, True),
        ({}, {"auth_url": "https://dal05.objectstorage.service.networklayer.com/auth/v1.0"}, False),
        ({}, {"userId": "IBMOS298-3:SL123"}, False),
        (KEYSTONE, KEYSTONE, True),
        (KEYSTONE, KEYSTONE | {"project_id": "q"}, False),
        (KEYSTONE, {}, False),
        ({}, {"project_id": "unused"}, True),
    ],
)
def test_checkpoints_are_in_the_account_of_the_new_results(
    service, theirs: dict[str, str], ours: dict[str, str], accepted: bool
) -> None:
    named = service.submit(training_results=results_in("r", **theirs))
    definition = service.definition(resume_from=named, training_results=results_in("r", **ours))
    reply = service.client.post("/v3/models", json=definition)
    assert reply.status_code == (202 if accepted else 400), reply.text
    if not accepted:
        assert errors(reply) == [("C101", "resume_from")]
        assert named in reply.json()["errors"][0]["message"]


def test_training_whose_definition_cannot_be_read_is_refused(service) -> None:
    record = service.store.get_training("dlaas", service.submit())
    broken = add_record(service, replace(record, definition=record.definition), "training-brokenone", [])
    with service.store._database.write_transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE trainings SET definition = '{\"model_definition\": 5}' WHERE id = ?", (broken,)
        )
    reply = service.client.post("/v3/models", json=service.definition(resume_from=broken))
    assert errors(reply) == [("C101", "resume_from")]


def test_training_of_a_newer_release_with_further_keys_is_accepted(service) -> None:
    record = service.store.get_training("dlaas", service.submit())
    newer = add_record(service, record, "training-newerone0", [])
    with service.store._database.write_transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE trainings SET definition = json_set(definition, '$.further', 1) WHERE id = ?", (newer,)
        )
    assert sources(service, service.submit(resume_from=newer)) == [(newer, CONTAINER)]


def test_repeated_request_returns_the_training_after_the_named_one_was_deleted(service) -> None:
    named = service.submit()
    start(service, named)
    end(service, named)
    definition, headers = service.definition(resume_from=named), {"Idempotency-Key": "k"}
    first = service.client.post("/v3/models", json=definition, headers=headers)
    service.client.delete(f"/v3/models/{named}")
    again = service.client.post("/v3/models", json=definition, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["metadata"]["guid"] == again.json()["metadata"]["guid"]
    assert sources(service, first.json()["metadata"]["guid"]) == [(named, CONTAINER)]
