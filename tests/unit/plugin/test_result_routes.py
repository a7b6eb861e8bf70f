"""The results, the stored log and the reason of a failure, as the pages request them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dlaas.contract.data_manifest import DataManifest
from airflow_dlaas.contract.training import ResultsLocation
from airflow_dlaas.exceptions import StoreRefused, StoreUnreachable
from airflow_dlaas.plugin import result_stores
from tests.unit.plugin.page_requests import POLL, REF, Pages, store_summary

LOCATION = ResultsLocation(container="c", model_location="training-1")
DEFINITION = {
    "training_data": [{"connection": "data", "source": {"container": "data"}}],
    "training_results": {"connection": "s", "target": {"container": "c"}},
}
OBJECTS = {
    "training-1/.dlaas-training": b"{}",
    "training-1/learner-1/training-log.txt": b"stored\nValueError: stored\n",
    "training-1/model/weights.h5": b"\x00\x01" * 1000,
    "training-1/plot.png": b"\x89PNG",
    "training-1/page.html": b"<script>alert(1)</script>",
    "training-1x/secret.txt": b"of another training",
    "secret.txt": b"of another training",
}


@pytest.fixture
def results(pages: Pages) -> Pages:
    pages.service.results = LOCATION
    pages.airflow.rendered[REF] = {"definition": DEFINITION}
    pages.stores.store.containers["c"] = dict(OBJECTS)
    return pages


def get(pages: Pages, path: str, **query: Any):
    return pages.http.get(f"/api/{path}", params={**POLL, **query})


def test_results_are_listed(results: Pages) -> None:
    reply = get(results, "results").json()
    assert (reply["container"], reply["location"], reply["truncated"]) == ("c", "training-1", False)
    assert {one["name"]: (one["size"], one["preview"]) for one in reply["files"]} == {
        "learner-1/training-log.txt": (26, "text"),
        "model/weights.h5": (2000, None),
        "page.html": (25, "text"),
        "plot.png": (4, "image"),
    }


@pytest.mark.parametrize(
    "definition",
    [
        json.dumps(DEFINITION),
        {"training_data": [{"connection": "s", "source": {"container": "c"}}]},
        {**DEFINITION, "training_results": {"connection": "s", "source": {"container": "c"}}},
    ],
)
def test_connection_is_that_of_the_rendered_definition(results: Pages, definition: Any) -> None:
    results.airflow.rendered[REF] = {"definition": definition}
    assert get(results, "results").status_code == 200


def test_connection_may_come_from_the_parameters_of_the_operator(results: Pages) -> None:
    entry = {"connection": "s", "target": {"container": "c"}}
    results.airflow.rendered[REF] = {"definition": {"training_data": []}, "training_results": entry}
    assert get(results, "results").status_code == 200
    results.airflow.rendered[REF] = {
        "definition": {},
        "training_data": [
            {"source": {"type": "mount_volume", "path": "/d"}},
            {"connection": "s", "source": {"bucket": "c"}},
        ],
    }
    assert get(results, "results").status_code == 200


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "no training definition"),
        (None, "no training definition"),
        ({"definition": "Truncated. You can change this behaviour"}, "max_templated_field_length"),
        ({"definition": "[1]"}, "cannot be read"),
        ({"definition": {}}, "no connection"),
        ({"definition": {"training_data": []}}, "no connection"),
        ({"definition": {"training_data": 5}}, "no connection"),
        ({"definition": {"training_results": "s"}}, "no connection"),
    ],
)
def test_unreadable_definition_is_reported_in_a_sentence(results: Pages, fields: Any, reason: str) -> None:
    results.airflow.rendered[REF] = fields
    reply = get(results, "results")
    assert reply.status_code == 404
    assert reason in reply.json()["detail"]


def test_training_without_results_has_no_list(results: Pages) -> None:
    results.service.results = None
    reply = get(results, "results")
    assert (reply.status_code, reply.json()) == (404, {"detail": "This training has stored no results"})


def test_results_are_listed_where_the_service_does_not_answer(results: Pages) -> None:
    store_summary(results)
    results.service.is_down = True
    assert len(get(results, "results").json()["files"]) == 4


@pytest.mark.parametrize(
    "location", [("c", ""), ("c", "/"), ("c", "a/../b"), ("a/c", "training-1"), ("other", "training-1")]
)
def test_summary_that_names_another_place_gives_no_access(results: Pages, location: tuple[str, str]) -> None:
    """A task, and a user who may write XComs, can store any summary."""
    results.stores.store.containers["other"] = dict(OBJECTS)
    results.service.results = ResultsLocation(container=location[0], model_location=location[1])
    store_summary(results)
    results.service.is_down = True
    assert get(results, "results").status_code == 404


def test_download_is_saved_by_the_browser(results: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_stores, "CHUNK_SIZE", 300)
    reply = get(results, "results/download", name="model/weights.h5")
    assert (reply.status_code, reply.content) == (200, OBJECTS["training-1/model/weights.h5"])
    assert reply.headers["content-length"] == "2000"
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"].startswith('attachment; filename="weights.h5"')
    assert (reply.headers["cache-control"], reply.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert len(results.stores.store.asked) == 7


@pytest.mark.parametrize(
    ("name", "content_type", "disposition"),
    [("plot.png", "image/png", "inline"), ("page.html", "application/octet-stream", "attachment")],
)
def test_only_images_are_shown_inline(results: Pages, name: str, content_type: str, disposition: str) -> None:
    reply = get(results, "results/download", name=name, inline="1")
    assert reply.headers["content-type"] == content_type
    assert reply.headers["content-disposition"].partition(";")[0] == disposition
    assert "sandbox" in reply.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["results/download", "results/preview"])
@pytest.mark.parametrize(
    "name",
    [
        *("../secret.txt", "..", "a/../../secret.txt", "./secret.txt", "/../secret.txt", "missing.txt"),
        *("a\x00.txt", "../training-1x/secret.txt", "x" * 1020 + ".txt"),
    ],
)
def test_only_files_of_the_results_can_be_read(results: Pages, path: str, name: str) -> None:
    results.stores.store.containers["c"][f"training-1/{name}"] = b"of another training"
    if name == "missing.txt":
        del results.stores.store.containers["c"][f"training-1/{name}"]
    reply = get(results, path, name=name)
    assert reply.status_code in {404, 415}
    assert "another training" not in reply.text


def test_text_is_shown_and_other_files_are_not(results: Pages) -> None:
    preview = get(results, "results/preview", name="page.html").json()
    assert preview == {"text": "<script>alert(1)</script>", "truncated": False}
    assert get(results, "results/preview", name="model/weights.h5").status_code == 415


@pytest.mark.parametrize("path", ["results", "results/preview", "results/download"])
@pytest.mark.parametrize("error", [StoreUnreachable, StoreRefused])
def test_failure_of_the_store_is_a_sentence_without_its_address(results: Pages, path: str, error: Any) -> None:
    results.stores.error = error("http://10.0.0.1:8080/auth failed")
    reply = get(results, path, name="page.html")
    assert reply.status_code == 502
    assert "'s'" in reply.json()["detail"]
    assert "10.0.0.1" not in reply.text


@pytest.mark.parametrize("path", ["results", "results/preview", "results/download", "log/download", "failure", "usage"])
def test_results_need_the_permission_for_the_task(results: Pages, path: str) -> None:
    results.airflow.readable["anna"] = set()
    assert get(results, path, name="page.html").status_code == 403
    results.airflow.readable["anna"] = {"nightly"}
    assert get(results, path, name="page.html", training_id="training-2").status_code == 404
    assert results.stores.store.asked == []


# -- the log, and the reason of a failure ----------------------------------------


def test_whole_log_is_downloaded_in_slices(results: Pages) -> None:
    results.service.log = "".join(f"line {number}\n" for number in range(9)) + "incompl"
    reply = get(results, "log/download")
    assert (reply.status_code, reply.text) == (200, results.service.log)
    assert reply.headers["content-disposition"].startswith('attachment; filename="training-1.log"')
    assert results.service.sent.count("GET /v3/models/training-1/log") == 5


@pytest.mark.parametrize("gone", ["the training", "the service"])
def test_stored_log_is_used_where_the_service_has_none(results: Pages, gone: str) -> None:
    store_summary(results)
    results.service.log, results.service.is_down = None, gone == "the service"
    assert get(results, "log/download").text == "stored\nValueError: stored\n"
    assert get(results, "failure").json() == {
        "exception": "ValueError: stored",
        "lines": ["stored", "ValueError: stored"],
    }


def test_reason_of_a_failure_comes_from_the_log_of_the_service(results: Pages) -> None:
    results.service.log = "Epoch 1\nKilled\n"
    assert get(results, "failure").json() == {"exception": "Killed", "lines": ["Epoch 1", "Killed"]}


@pytest.mark.parametrize("path", ["log/download", "failure"])
def test_log_that_is_nowhere_is_an_error_in_a_sentence(pages: Pages, path: str) -> None:
    pages.service.is_down = True
    reply = get(pages, path)
    assert (reply.status_code, reply.json()) == (502, {"detail": "The service of connection 'c' does not answer"})
    store_summary(pages)
    assert get(pages, path).json() == reply.json()
    pages.service.is_down, pages.service.log = False, None
    reply = get(pages, path)
    assert (reply.status_code, reply.json()) == (404, {"detail": "This training has stored no results"})


MANIFEST = DataManifest.model_validate(
    {
        "training_id": "training-1",
        "sources": [
            {
                "source": {"name": "data", "type": "softlayer_objectstore"},
                "objects": [{"name": "a.csv", "size": 3, "digest": "md5:1"}],
            }
        ],
    }
)


def test_objects_that_a_training_read_are_those_of_its_manifest(results: Pages) -> None:
    results.stores.store.containers["c"]["training-1/training-data.json"] = MANIFEST.model_dump_json().encode()
    (source,) = get(results, "data").json()["sources"]
    assert source == {"name": "data", "total": 1, "objects": [{"name": "a.csv", "size": 3, "digest": "md5:1"}]}


@pytest.mark.parametrize(("content", "reason"), [(None, "has stored no list"), (b"not a manifest", "cannot be parsed")])
def test_missing_or_damaged_manifest_is_reported_in_a_sentence(
    results: Pages, content: bytes | None, reason: str
) -> None:
    if content is not None:
        results.stores.store.containers["c"]["training-1/training-data.json"] = content
    reply = get(results, "data")
    assert reply.status_code == 404
    assert reason in reply.json()["detail"]


def test_training_is_compared_with_one_that_the_user_may_read(results: Pages) -> None:
    results.stores.store.containers["c"]["training-1/training-data.json"] = MANIFEST.model_dump_json().encode()
    other = {"other_run_id": REF.run_id, "other_task_id": REF.task_id, "other_training_id": "training-1"}
    assert get(results, "data/compare", **other).json()["equal"] is True
    assert get(results, "data/compare", **{**other, "other_training_id": "training-9"}).status_code == 404
    assert get(results, "data/compare", **{**other, "other_run_id": "r9"}).status_code == 404
