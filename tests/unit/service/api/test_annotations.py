"""`PUT /v3/models/{id}/annotations`: the note and the tags that people give a training."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.annotations import MAX_NOTE_LENGTH, MAX_TAGS, Annotations
from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.records import TrainingOutcome
from tests.unit.service.api.test_damage import damage


def annotate(service, training_id: str, body: Any):
    return service.client.put(f"/v3/models/{training_id}/annotations", json=body)


def reported(service, training_id: str) -> tuple[str | None, list[str] | None]:
    """The annotations in the status of a training; the list and the changes contain the same."""
    document = service.client.get(f"/v3/models/{training_id}").json()
    for path in ("/v3/models", "/v3/models?after=0"):
        listed = {one["metadata"]["guid"]: one for one in service.client.get(path).json()["resources"]}
        assert listed[training_id] == document
    status = document["entity"]["status"]
    return status.get("note"), status.get("tags")


@pytest.mark.parametrize("state", [None, TrainingState.COMPLETED, TrainingState.ERROR, TrainingState.CANCELED])
def test_annotations_are_set_and_removed_together_in_every_state(service, state: TrainingState | None) -> None:
    training_id = service.submit()
    if state is not None:
        service.store.finish(training_id, TrainingOutcome(state, service.clock()))
    assert reported(service, training_id) == (None, None)
    reply = annotate(service, training_id, {"note": "lr too high\nsee #7", "tags": ["baseline", "lr 0.1"]})
    assert (reply.status_code, reply.content) == (204, b"")
    assert reported(service, training_id) == ("lr too high\nsee #7", ["baseline", "lr 0.1"])
    annotate(service, training_id, {"tags": ["other"]})
    assert reported(service, training_id) == (None, ["other"])
    annotate(service, training_id, {"note": None})
    assert reported(service, training_id) == (None, None)


def test_new_annotations_are_a_change_and_equal_ones_are_not(service) -> None:
    training_id = service.submit()
    cursor = service.client.get("/v3/models?after=now").json()["cursor"]
    for _ in range(2):
        annotate(service, training_id, {"note": "n", "tags": ["t"]})
    changes = calls.list_changes("0", 0).parse(service.client.get(f"/v3/models?after={cursor}").content)
    assert [(one.id, one.status.note, one.status.tags) for one in changes.resources] == [(training_id, "n", ("t",))]
    assert changes.cursor == str(int(cursor) + 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "the whole"),
        ([], "the whole"),
        ({"nota": "x"}, "nota"),
        ({"note": 5}, "note"),
        ({"note": "x" * (MAX_NOTE_LENGTH + 1)}, "note"),
        ({"note": "a\x00b"}, "note"),
        ({"tags": "baseline"}, "tags"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"tags": [str(number) for number in range(MAX_TAGS + 1)]}, "tags"),
        pytest.param({"tags": ["a"] * 4_000}, "tags", id="4,000 tags"),
        ({"tags": ["a", "x" * 65]}, "tags[1]"),
        *(({"tags": [tag]}, "tags[0]") for tag in ("", " a", "a,b", "a\nb", "\x1b[31m", 5, None)),
    ],
    ids=repr,
)
def test_invalid_annotations_are_refused_and_change_nothing(service, body: Any, field: str) -> None:
    training_id = service.submit()
    annotate(service, training_id, {"note": "kept", "tags": ["kept"]})
    reply = annotate(service, training_id, body)
    assert reply.status_code == 400, reply.text
    (problem,) = ErrorReport.model_validate(reply.json()).errors
    assert field in problem.message
    assert reported(service, training_id) == ("kept", ["kept"])


def test_annotations_of_an_unknown_or_foreign_training_are_not_found(service) -> None:
    training_id = service.submit()
    assert annotate(service, "training-none", {"note": "x"}).status_code == 404
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    for body in ({"note": "x"}, {"note": 5}):
        assert annotate(service, training_id, body).status_code == 404
    assert service.client.get("/v3/models?tag=x").json() == {"resources": []}
    assert service.store.get_training("dlaas", training_id).note == ""


@pytest.mark.parametrize("tags", [["t"], []])
def test_unreadable_annotations_can_be_replaced(service, tags: list[str]) -> None:
    training_id = service.submit()
    assert damage(service, "trainings", "tags", "no list", f"id = '{training_id}'")
    assert "unreadable_record" in service.client.get(f"/v3/models/{training_id}").text
    assert annotate(service, training_id, {"tags": tags}).status_code == 204
    assert reported(service, training_id) == (None, tags or None)
    assert "unreadable_record" not in service.client.get(f"/v3/models/{training_id}").text


def test_list_has_the_trainings_with_all_requested_tags(service) -> None:
    tags = [["a"], ["a", "b & c"], [], ["A"], ["a", "b & c", "d"]]
    trainings = [service.submit() for _ in tags]
    for training_id, its_tags in zip(trainings, tags, strict=True):
        annotate(service, training_id, {"tags": its_tags})
    found: list[str] = []
    path = "/v3/models?limit=1&tag=a&tag=b%20%26%20c"
    while path:
        page = service.client.get(path).json()
        found += [one["metadata"]["guid"] for one in page["resources"]]
        path = page["next"]["url"] if "next" in page else ""
    assert found == [trainings[4], trainings[1]]
    assert service.client.get("/v3/models?tag=none").json() == {"resources": []}


@pytest.mark.parametrize(
    "query",
    [
        *("tag=", "tag=a,b", "tag=a&tag=%20b", "tag=%00", f"tag={'x' * 65}", "tag=a&after=0", "tag=a&after=now"),
        "&".join(["tag=a"] * (MAX_TAGS + 1)),
    ],
)
def test_invalid_tag_in_the_query_is_refused(service, query: str) -> None:
    reply = service.client.get(f"/v3/models?{query}")
    assert reply.status_code == 400, reply.text
    problem = ErrorReport.model_validate(reply.json()).errors[0]
    assert problem.code == "invalid_query_parameter_value"
    assert problem.target is not None
    assert problem.target.name.partition("[")[0] == "tag"


def test_client_sets_annotations(service) -> None:
    training_id = service.submit()
    call = calls.annotate_training(training_id, Annotations(note="n", tags=("t",)))
    assert service.client.request(call.method, call.path, content=call.payload()).status_code == 204
    assert reported(service, training_id) == ("n", ["t"])
