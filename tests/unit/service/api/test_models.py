"""Trainings: get, list, long poll, cancel, delete."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Event, Thread

import pytest

from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import CANCEL_PATCH, ResourceUsage, Training, TrainingChanges, TrainingList
from airflow_dlaas.service.api.models import MAX_WAIT
from airflow_dlaas.service.store.records import TrainingOutcome

CANCELED = [one.model_dump() for one in CANCEL_PATCH]


def start(service, run: str) -> None:
    service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    service.store.set_handle(run, "handle")
    service.store.record_progress(run, TrainingState.RUNNING, Phase.LOADING, service.clock())
    service.store.record_progress(run, TrainingState.RUNNING, Phase.PROCESSING, service.clock())


def end(service, run: str, state: TrainingState = TrainingState.COMPLETED, **values: object) -> None:
    service.store.finish(run, TrainingOutcome(state, service.clock(), **values))


def status(service, run: str) -> dict[str, object]:
    reply = service.client.get(f"/v3/models/{run}")
    parse_response(Training)(reply.content)
    found: dict[str, object] = reply.json()["entity"]["status"]
    return found


def test_running_training_reports_phase_gpus_and_last_metric(service) -> None:
    run = service.submit()
    service.clock.advance(seconds=5)
    start(service, run)
    metric = {"timestamp": "2026-03-01T12:00:04.000Z", "iteration": 7, "phase": "train"}
    line = '{"timestamp":"2026-03-01T12:00:04Z","iteration":%d,"phase":"train","values":[{"name":"loss","value":%s}]}\n'
    service.job(run).metrics.write_text(line % (6, "0.5") + line % (7, '"NaN"') + line[:30])
    service.clock.advance(seconds=1)
    assert status(service, run) == {
        "state": "running",
        "phase": "processing",
        "submitted_at": "2026-03-01T12:00:00.000Z",
        "running_at": "2026-03-01T12:00:05.000Z",
        "current_at": "2026-03-01T12:00:06.000Z",
        "gpus": ["virtual:0"],
        "runtime": "TensorFlow, as documented",
        "resources": {"requested": {"gpus": 1}, "enforced": []},
        "metrics": [{**metric, "values": [{"name": "loss", "value": "NaN"}]}],
        "phases": [{"phase": "queued", "since": "2026-03-01T12:00:00.000Z"}],
        "attempt": 1,
    }


def test_last_value_of_each_metric_is_reported(service) -> None:
    run = service.submit()
    start(service, run)
    line = '{{"timestamp":"2026-03-01T12:00:04Z","iteration":{},"phase":"{}","values":[{{"name":"{}","value":{}}}]}}\n'
    written = [(1, "train", "loss", 3), (2, "validation", "loss", 2), (3, "train", "loss", 1)]
    service.job(run).metrics.write_text("".join(line.format(*one) for one in written))
    reported = [(one["iteration"], one["phase"], one["values"][0]["value"]) for one in status(service, run)["metrics"]]
    assert reported == [(3, "train", 1.0), (2, "validation", 2.0)]


def test_phases_are_reported_in_order(service) -> None:
    run = service.submit()
    start(service, run)
    service.job(run).phase.write_text(
        '{"phase": "processing", "since": "2026-03-01T12:00:09Z",'
        ' "before": [{"phase": "loading", "since": "2026-03-01T12:00:07Z"}]}'
    )
    assert [one["phase"] for one in status(service, run)["phases"]] == ["queued", "loading", "processing"]


def test_recent_usage_is_reported(service) -> None:
    run = service.submit()
    start(service, run)
    now = datetime.now(timezone.utc)
    service.job(run).usage.write_text(ResourceUsage(at=now, memory_bytes=5, cpu_percent=1.5).model_dump_json())
    assert status(service, run)["usage"]["memory_bytes"] == 5
    service.job(run).usage.write_text(ResourceUsage(at=now - timedelta(minutes=5), memory_bytes=5).model_dump_json())
    assert "usage" not in status(service, run)


def test_completed_training_reports_an_empty_exit_code_and_the_results_location(service) -> None:
    run = service.submit()
    start(service, run)
    end(service, run, exit_code=0, stored=True)
    entity = service.client.get(f"/v3/models/{run}").json()["entity"]
    assert entity["status"]["message"] == f"{run}: "
    assert entity["training_results"] == {
        "location": {"container": "tf_training_data_container", "model_location": run}
    }


def test_failed_training_reports_its_error_with_a_stable_trace(service) -> None:
    run = service.submit()
    start(service, run)
    error = ErrorItem(code="C201", message="dl_job_failed: the command exited with 3")
    end(service, run, TrainingState.ERROR, exit_code=3, error=error)
    first = status(service, run)
    assert first["message"] == f"{run}: 3"
    assert first["error"]["errors"] == [{"code": "C201", "message": error.message}]
    assert len(first["error"]["trace"]) == 32
    assert status(service, run)["error"] == first["error"]


def test_results_target_is_returned_with_the_location(service) -> None:
    connection = {"auth_url": "http://x/auth/v1.0", "userId": "a:b", "password": "geheim"}
    results = {"connection": connection, "target": {"container": "r", "type": "softlayer_objectstore"}}
    run = service.submit(training_results=results)
    start(service, run)
    end(service, run, stored=True)
    reply = service.client.get(f"/v3/models/{run}")
    reported = reply.json()["entity"]["training_results"]
    assert reported["location"] == {"container": "r", "model_location": run}
    assert reported["target"] == results["target"]
    assert "geheim" not in reply.text


def test_pages_are_newest_first_and_linked_by_next(service) -> None:
    ids = [service.submit() for _ in range(5)]
    url, seen, pages = "/v3/models?limit=2", [], 0
    while url:
        page = parse_response(TrainingList)(service.client.get(url).content)
        seen += [one.id for one in page.resources]
        pages += 1
        url = page.next.url if page.next else ""
    assert (seen, pages) == (ids[::-1], 3)


def test_queued_trainings_report_their_position(service) -> None:
    ids = [service.submit() for _ in range(3)]
    start(service, ids[0])
    assert [status(service, run).get("queue_position") for run in ids] == [None, 0, 1]
    listed = service.client.get("/v3/models").json()["resources"]
    assert [one["entity"]["status"].get("queue_position") for one in listed] == [1, 0, None]


def test_changes_are_listed_once_and_oldest_first(service) -> None:
    ids = [service.submit() for _ in range(3)]
    everything = parse_response(TrainingChanges)(service.client.get("/v3/models?after=").content)
    assert [one.id for one in everything.resources] == ids
    assert service.client.get("/v3/models?after=0").json() == service.client.get("/v3/models?after=").json()
    nothing = service.client.get(f"/v3/models?after={everything.cursor}").json()
    assert nothing == {"resources": [], "cursor": everything.cursor}
    assert service.client.get("/v3/models?after=now").json() == nothing
    start(service, ids[0])
    end(service, ids[1], TrainingState.CANCELED)
    changed = parse_response(TrainingChanges)(service.client.get(f"/v3/models?after={everything.cursor}").content)
    assert [(one.id, str(one.state)) for one in changed.resources] == [(ids[0], "running"), (ids[1], "canceled")]


def test_pages_of_changes_have_no_gap(service) -> None:
    ids, cursor, seen = [service.submit() for _ in range(5)], "0", []
    for _ in range(3):
        page = service.client.get(f"/v3/models?after={cursor}&limit=2").json()
        seen += [one["metadata"]["guid"] for one in page["resources"]]
        cursor = page["cursor"]
    assert seen == ids


def test_cursor_of_another_database_lists_everything(service) -> None:
    run = service.submit()
    page = service.client.get("/v3/models?after=1000000").json()
    assert [one["metadata"]["guid"] for one in page["resources"]] == [run]


def test_long_poll_returns_at_a_change(service) -> None:
    run = service.submit()
    cursor = service.client.get("/v3/models?after=now").json()["cursor"]
    waiting, revisions = Event(), []

    class Watched:
        """The store; sets an event when the long poll reads the revision again."""

        def current_revision(self) -> int:
            revisions.append(service.store.current_revision())
            if len(revisions) > 1:
                waiting.set()
            return revisions[-1]

        def __getattr__(self, name: str) -> object:
            return getattr(service.store, name)

    service.client.app.state.deps = replace(service.deps, store=Watched())
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(service.client.get, f"/v3/models?after={cursor}&wait={MAX_WAIT}")
        assert waiting.wait(MAX_WAIT / 2), f"read the revision {len(revisions)} times"
        start(service, run)
        page = poll.result(MAX_WAIT / 2).json()
    assert [one["metadata"]["guid"] for one in page["resources"]] == [run]


def test_long_poll_without_a_change_returns_the_same_cursor(service) -> None:
    service.submit()
    cursor = service.client.get("/v3/models?after=now").json()["cursor"]
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    reply = service.client.get(f"/v3/models?after={cursor}&wait=0.05").json()
    assert reply == {"resources": [], "cursor": cursor}


def test_other_users_can_neither_see_nor_change_a_training(service) -> None:
    run = service.submit()
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    assert service.client.get("/v3/models").json() == {"resources": []}
    assert service.client.get("/v3/models?after=0").json()["resources"] == []
    assert service.client.get(f"/v3/models/{run}").status_code == 404
    assert service.client.patch(f"/v3/models/{run}", json=CANCELED).status_code == 404
    assert service.client.delete(f"/v3/models/{run}").status_code == 404


def test_queued_training_is_canceled_at_once(service) -> None:
    run = service.submit()
    reply = service.client.patch(f"/v3/models/{run}", json=CANCELED)
    assert (reply.status_code, reply.content) == (204, b"")
    assert status(service, run)["state"] == "canceled"
    assert service.woken == ["wake", "wake"]


def test_cancel_of_a_running_training_is_requested_in_the_store(service) -> None:
    run = service.submit()
    start(service, run)
    assert service.client.patch(f"/v3/models/{run}", json=CANCELED).status_code == 204
    assert status(service, run)["state"] == "running"
    assert service.store.get_training("dlaas", run).cancel_requested


@pytest.mark.parametrize("state", [TrainingState.COMPLETED, TrainingState.ERROR, TrainingState.CANCELED])
def test_cancel_of_an_ended_training_changes_nothing(service, state: TrainingState) -> None:
    run = service.submit()
    start(service, run)
    end(service, run, state)
    before = status(service, run)
    assert service.client.patch(f"/v3/models/{run}", json=CANCELED).status_code == 204
    assert status(service, run) == before


def test_concurrent_cancel_and_ends_leave_one_final_state(service) -> None:
    for _ in range(5):
        run = service.submit()
        start(service, run)
        racers = [
            Thread(target=service.client.patch, args=(f"/v3/models/{run}",), kwargs={"json": CANCELED}),
            Thread(target=end, args=(service, run)),
            Thread(target=end, args=(service, run, TrainingState.ERROR)),
        ]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        assert status(service, run)["state"] in {"completed", "error"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (CANCELED * 2, "patch_multiple_ops"),
        ([], "patch_not_supported"),
        (CANCELED[0], "patch_not_supported"),
        ([CANCELED[0] | {"value": "cancelled"}], "patch_not_supported"),
        ([CANCELED[0] | {"op": "add"}], "patch_not_supported"),
        ([CANCELED[0] | {"path": "/entity/name"}], "patch_not_supported"),
        ([{"op": "replace"}], "invalid_request_payload"),
        (["x"], "invalid_request_payload"),
    ],
)
def test_other_patch_operations_are_refused(service, body: object, code: str) -> None:
    run = service.submit()
    reply = service.client.patch(f"/v3/models/{run}", json=body)
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (400, code)
    assert status(service, run)["state"] == "pending"


def make_deep(folder: Path, depth: int) -> None:
    """Create nested folders, deeper than the longest path, as a command can by changing its directory."""
    directory = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deeper", dir_fd=directory)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = inner
    os.close(directory)


def test_training_with_a_deep_log_folder_can_be_deleted(service) -> None:
    run = service.submit()
    logs = service.job(run).subdirectory("logs")
    logs.mkdir()
    try:
        make_deep(logs, 3000)
        end(service, run, TrainingState.CANCELED)
        assert service.client.delete(f"/v3/models/{run}").status_code == 204
        assert service.client.get(f"/v3/models/{run}").status_code == 404
        assert not logs.exists()
    finally:  # pytest cannot remove it, and later runs would fail
        subprocess.run(["rm", "-rf", "--", logs], check=True)


def test_delete_requires_an_ended_training_and_removes_its_log(service) -> None:
    run = service.submit()
    job = service.job(run)
    refused = service.client.delete(f"/v3/models/{run}")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "conflict")
    assert job.path.exists()
    end(service, run, TrainingState.CANCELED)
    assert service.client.delete(f"/v3/models/{run}").status_code == 204
    assert service.client.get(f"/v3/models/{run}").status_code == 404
    assert not job.path.exists()
