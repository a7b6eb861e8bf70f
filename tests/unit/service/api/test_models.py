"""Training runs: reading, listing, waiting, canceling, deleting."""

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
from airflow_dlaas.service.store.base import TrainingOutcome

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


def test_a_running_training_tells_phase_gpus_and_its_last_metric(service) -> None:
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
        "runtime": "TensorFlow, as the page has it",
        "metrics": [{**metric, "values": [{"name": "loss", "value": "NaN"}]}],
        "phases": [{"phase": "queued", "since": "2026-03-01T12:00:00.000Z"}],
    }


def test_of_each_metric_the_last_value_is_told_the_newest_line_first(service) -> None:
    run = service.submit()
    start(service, run)
    line = '{{"timestamp":"2026-03-01T12:00:04Z","iteration":{},"phase":"{}","values":[{{"name":"{}","value":{}}}]}}\n'
    written = [(1, "train", "loss", 3), (2, "validation", "loss", 2), (3, "train", "loss", 1)]
    service.job(run).metrics.write_text("".join(line.format(*one) for one in written))
    told = [(one["iteration"], one["phase"], one["values"][0]["value"]) for one in status(service, run)["metrics"]]
    assert told == [(3, "train", 1.0), (2, "validation", 2.0)]


def test_the_phases_a_training_has_gone_through_are_told_in_order(service) -> None:
    run = service.submit()
    start(service, run)
    service.job(run).phase.write_text(
        '{"phase": "processing", "since": "2026-03-01T12:00:09Z",'
        ' "before": [{"phase": "loading", "since": "2026-03-01T12:00:07Z"}]}'
    )
    assert [one["phase"] for one in status(service, run)["phases"]] == ["queued", "loading", "processing"]


def test_what_a_training_uses_is_told_while_that_is_new(service) -> None:
    run = service.submit()
    start(service, run)
    now = datetime.now(timezone.utc)
    service.job(run).usage.write_text(ResourceUsage(at=now, memory_bytes=5, cpu_percent=1.5).model_dump_json())
    assert status(service, run)["usage"]["memory_bytes"] == 5
    service.job(run).usage.write_text(ResourceUsage(at=now - timedelta(minutes=5), memory_bytes=5).model_dump_json())
    assert "usage" not in status(service, run)


def test_a_completed_training_tells_an_empty_exit_code_and_where_the_results_lie(service) -> None:
    run = service.submit()
    start(service, run)
    end(service, run, exit_code=0, stored=True)
    entity = service.client.get(f"/v3/models/{run}").json()["entity"]
    assert entity["status"]["message"] == f"{run}: "
    assert entity["training_results"] == {
        "location": {"container": "tf_training_data_container", "model_location": run}
    }


def test_a_failed_training_tells_why_under_a_trace_that_stays(service) -> None:
    run = service.submit()
    start(service, run)
    error = ErrorItem(code="C201", message="dl_job_failed: the command exited with 3")
    end(service, run, TrainingState.ERROR, exit_code=3, error=error)
    first = status(service, run)
    assert first["message"] == f"{run}: 3"
    assert first["error"]["errors"] == [{"code": "C201", "message": error.message}]
    assert len(first["error"]["trace"]) == 32
    assert status(service, run)["error"] == first["error"]


def test_results_of_their_own_are_echoed_and_located(service) -> None:
    connection = {"auth_url": "http://x/auth/v1.0", "userId": "a:b", "password": "geheim"}
    results = {"connection": connection, "target": {"container": "r", "type": "softlayer_objectstore"}}
    run = service.submit(training_results=results)
    start(service, run)
    end(service, run, stored=True)
    reply = service.client.get(f"/v3/models/{run}")
    told = reply.json()["entity"]["training_results"]
    assert told["location"] == {"container": "r", "model_location": run}
    assert told["target"] == results["target"]
    assert "geheim" not in reply.text


def test_lists_go_on_where_next_says_newest_first(service) -> None:
    ids = [service.submit() for _ in range(5)]
    url, seen, pages = "/v3/models?limit=2", [], 0
    while url:
        page = parse_response(TrainingList)(service.client.get(url).content)
        seen += [one.id for one in page.resources]
        pages += 1
        url = page.next.url if page.next else ""
    assert (seen, pages) == (ids[::-1], 3)


def test_those_who_wait_know_their_place(service) -> None:
    ids = [service.submit() for _ in range(3)]
    start(service, ids[0])
    assert [status(service, run).get("queue_position") for run in ids] == [None, 0, 1]
    listed = service.client.get("/v3/models").json()["resources"]
    assert [one["entity"]["status"].get("queue_position") for one in listed] == [1, 0, None]


def test_changes_are_told_once_oldest_first(service) -> None:
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


def test_changes_come_in_pages_without_a_gap(service) -> None:
    ids, cursor, seen = [service.submit() for _ in range(5)], "0", []
    for _ in range(3):
        page = service.client.get(f"/v3/models?after={cursor}&limit=2").json()
        seen += [one["metadata"]["guid"] for one in page["resources"]]
        cursor = page["cursor"]
    assert seen == ids


def test_a_cursor_of_another_database_begins_anew(service) -> None:
    run = service.submit()
    page = service.client.get("/v3/models?after=1000000").json()
    assert [one["metadata"]["guid"] for one in page["resources"]] == [run]


def test_a_long_poll_answers_as_soon_as_something_changes(service) -> None:
    run = service.submit()
    cursor = service.client.get("/v3/models?after=now").json()["cursor"]
    waiting, looks = Event(), []

    class Watched:
        """The store, which tells when the poll has looked in vain and looks again."""

        def current_revision(self) -> int:
            looks.append(service.store.current_revision())
            if len(looks) > 1:
                waiting.set()
            return looks[-1]

        def __getattr__(self, name: str) -> object:
            return getattr(service.store, name)

    service.client.app.state.deps = replace(service.parts, store=Watched())
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(service.client.get, f"/v3/models?after={cursor}&wait={MAX_WAIT}")
        assert waiting.wait(MAX_WAIT / 2), f"looked {len(looks)} times"
        start(service, run)
        page = poll.result(MAX_WAIT / 2).json()
    assert [one["metadata"]["guid"] for one in page["resources"]] == [run]


def test_a_long_poll_without_a_change_ends_when_asked_to_with_the_same_place(service) -> None:
    service.submit()
    cursor = service.client.get("/v3/models?after=now").json()["cursor"]
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    reply = service.client.get(f"/v3/models?after={cursor}&wait=0.05").json()
    assert reply == {"resources": [], "cursor": cursor}


def test_others_see_nothing_and_can_change_nothing(service) -> None:
    run = service.submit()
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    assert service.client.get("/v3/models").json() == {"resources": []}
    assert service.client.get("/v3/models?after=0").json()["resources"] == []
    assert service.client.get(f"/v3/models/{run}").status_code == 404
    assert service.client.patch(f"/v3/models/{run}", json=CANCELED).status_code == 404
    assert service.client.delete(f"/v3/models/{run}").status_code == 404


def test_a_waiting_training_is_canceled_at_once(service) -> None:
    run = service.submit()
    reply = service.client.patch(f"/v3/models/{run}", json=CANCELED)
    assert (reply.status_code, reply.content) == (204, b"")
    assert status(service, run)["state"] == "canceled"
    assert service.woken == ["wake", "wake"]


def test_a_running_training_is_canceled_by_whoever_runs_it(service) -> None:
    run = service.submit()
    start(service, run)
    assert service.client.patch(f"/v3/models/{run}", json=CANCELED).status_code == 204
    assert status(service, run)["state"] == "running"
    assert service.store.get_training("dlaas", run).cancel_requested


@pytest.mark.parametrize("state", [TrainingState.COMPLETED, TrainingState.ERROR, TrainingState.CANCELED])
def test_a_cancel_that_comes_too_late_changes_nothing(service, state: TrainingState) -> None:
    run = service.submit()
    start(service, run)
    end(service, run, state)
    before = status(service, run)
    assert service.client.patch(f"/v3/models/{run}", json=CANCELED).status_code == 204
    assert status(service, run) == before


def test_racing_cancels_and_ends_leave_one_end(service) -> None:
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
def test_any_other_patch_is_refused(service, body: object, code: str) -> None:
    run = service.submit()
    reply = service.client.patch(f"/v3/models/{run}", json=body)
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (400, code)
    assert status(service, run)["state"] == "pending"


def make_deep(folder: Path, depth: int) -> None:
    """Make folders in each other, deeper than any path can name: as a command does that changes its directory."""
    place = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deeper", dir_fd=place)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)


def test_a_training_whose_log_folder_is_deep_can_be_deleted(service) -> None:
    run = service.submit()
    logs = service.job(run).subdirectory("logs")
    logs.mkdir()
    try:
        make_deep(logs, 3000)
        end(service, run, TrainingState.CANCELED)
        assert service.client.delete(f"/v3/models/{run}").status_code == 204
        assert service.client.get(f"/v3/models/{run}").status_code == 404
        assert not logs.exists()
    finally:  # pytest could not remove it, and every later run would fail on it
        subprocess.run(["rm", "-rf", "--", logs], check=True)


def test_only_what_has_ended_can_be_deleted_and_its_log_goes_with_it(service) -> None:
    run = service.submit()
    job = service.job(run)
    refused = service.client.delete(f"/v3/models/{run}")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "conflict")
    assert job.path.exists()
    end(service, run, TrainingState.CANCELED)
    assert service.client.delete(f"/v3/models/{run}").status_code == 204
    assert service.client.get(f"/v3/models/{run}").status_code == 404
    assert not job.path.exists()
