from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.unit.plugin.page_requests import POLL, QUERY, Pages, allow_edit, store_summary


@pytest.mark.parametrize(
    ("path", "request_path"),
    [("log", "GET /v3/models/training-1/log"), ("curves", "GET /v3/models/training-1/metrics")],
)
def test_poll_sends_one_request_to_the_service_once_the_ownership_is_verified(
    pages: Pages, path: str, request_path: str
) -> None:
    pages.http.get(f"/api/{path}", params=POLL)
    pages.service.sent.clear()
    for _ in range(3):
        assert pages.http.get(f"/api/{path}", params=POLL).status_code == 200
    assert pages.service.sent == [request_path] * 3


def test_task_request_verifies_the_ownership_for_the_log(pages: Pages) -> None:
    """The page of a task requests the task first, and the log after that."""
    task = pages.http.get("/api/task", params=QUERY).json()
    assert (task["training"]["id"], task["service_error"]) == ("training-1", None)
    assert [one["current"] for one in task["tries"]] == [True]
    pages.service.sent.clear()
    pages.http.get("/api/log", params=POLL)
    assert pages.service.sent == ["GET /v3/models/training-1/log"]


def test_poll_after_a_lost_permission_is_refused_without_a_request_to_the_service(pages: Pages) -> None:
    pages.http.get("/api/log", params=POLL)
    pages.airflow.readable["anna"] = set()
    pages.service.sent.clear()
    refused = pages.http.get("/api/log", params=POLL)
    assert (refused.status_code, refused.json()) == (403, {"detail": "Forbidden"})
    assert pages.service.sent == []


@pytest.mark.parametrize("path", ["task", "curves", "log", "run", "dag", "trainings"])
def test_response_must_not_be_stored_in_caches(pages: Pages, path: str) -> None:
    response = pages.http.get(f"/api/{path}", params=POLL)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")


def test_curves_of_a_service_without_the_extension_are_the_last_values(pages: Pages) -> None:
    pages.service.curves = None
    curves = pages.http.get("/api/curves", params=POLL).json()
    assert [one["points"][0][:2] for one in curves["series"]] == [[3.0, 0.25]]


def test_curves_come_from_the_summary_where_the_service_stops_answering(pages: Pages) -> None:
    pages.http.get("/api/curves", params=POLL)
    store_summary(pages)
    pages.service.is_down = True
    response = pages.http.get("/api/curves", params=POLL)
    assert (response.status_code, response.json()["version"], response.json()["complete"]) == (200, "7", True)


def test_service_that_does_not_answer_is_a_502_with_a_sentence(pages: Pages) -> None:
    pages.service.is_down = True
    for path in ("curves", "log"):
        response = pages.http.get(f"/api/{path}", params=POLL)
        assert response.status_code == 502
        assert response.json() == {"detail": "The service of connection 'c' does not answer"}
    store_summary(pages)
    assert pages.http.get("/api/log", params=POLL).status_code == 502


def test_training_of_another_task_is_a_404(pages: Pages) -> None:
    response = pages.http.get("/api/log", params={**POLL, "run_id": "r2"})
    assert (response.status_code, response.json()) == (404, {"detail": "This task has no training with this id"})


def test_cancel_sends_the_request_to_the_service_for_a_user_who_may_edit(pages: Pages) -> None:
    allow_edit(pages, allowed=True)
    body = {"run_id": "r1", "task_id": "train", "map_index": -1, "training_id": "training-1"}
    response = pages.http.post("/api/cancel", params={"dag_id": "nightly"}, json=body)
    assert (response.status_code, response.json()) == (202, {})
    assert pages.service.sent[-1].startswith(("POST", "PUT", "DELETE", "PATCH"))


@pytest.mark.parametrize(
    ("send", "status"),
    [
        (lambda http, body: http.post("/api/cancel", params={"dag_id": "nightly"}, json=body), 403),
        (lambda http, body: http.post("/api/cancel", params={"dag_id": "nightly"}, data=body), 403),
    ],
    ids=["json", "form"],
)
def test_cancel_is_refused_for_a_user_who_may_not_edit(
    pages: Pages, send: Callable[[TestClient, dict[str, Any]], Any], status: int
) -> None:
    allow_edit(pages, allowed=False)
    body = {"run_id": "r1", "task_id": "train", "training_id": "training-1"}
    assert send(pages.http, body).status_code == status
    assert pages.service.sent == []


def test_cancel_refuses_the_form_of_another_site(pages: Pages) -> None:
    allow_edit(pages, allowed=True)
    body = '{"run_id": "r1", "task_id": "train", "training_id": "training-1"}'
    response = pages.http.post(
        "/api/cancel", params={"dag_id": "nightly"}, content=body, headers={"Content-Type": "text/plain"}
    )
    assert response.status_code == 415
    assert pages.service.sent == []
