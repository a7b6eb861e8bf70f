"""The monitor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.log_stream import LOG_COMPLETE_REASON, Frame
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.api import log_stream as monitoring
from airflow_dlaas.service.api.dependencies import ApiLimits
from airflow_dlaas.service.store.base import TrainingOutcome
from tests.conformance.store.conftest import a_definition, a_training

METRIC = '{"timestamp":"2026-03-01T12:00:04Z","iteration":%d,"phase":"train","values":[{"name":"loss","value":0.5}]}\n'


def finished(service, log: bytes, metrics: int = 0) -> str:
    run = service.submit()
    job = service.job(run)
    job.log.write_bytes(log)
    job.metrics.write_text("".join(METRIC % number for number in range(metrics)))
    service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    service.store.finish(run, TrainingOutcome(TrainingState.COMPLETED, service.clock(), exit_code=0))
    return run


def frames(service, run: str, query: str = "") -> list[dict[str, Any]]:
    """All frames until the service closes, in good order."""
    seen = []
    with service.client.websocket_connect(f"/v3/models/{run}/monitor{query}") as socket:
        while (message := socket.receive())["type"] == "websocket.send":
            seen.append(socket_status(message["text"]))
    assert (message["code"], message["reason"]) == (1000, LOG_COMPLETE_REASON)
    return seen


def socket_status(text: str) -> dict[str, Any]:
    frame = parse_response(Frame)(text.encode())
    return frame.status.model_dump(exclude_none=True, mode="json")


def log_of(seen: list[dict[str, Any]]) -> str:
    return "".join(one.get("message", "") for one in seen)


def test_a_finished_run_is_replayed_and_then_the_monitor_closes(service) -> None:
    run = finished(service, b"one\ntwo\nthree", metrics=2)
    seen = frames(service, run)
    assert seen[0] == {"message": "one\ntwo\nthree", "state": "completed", "offset": 13}
    assert [one["metrics"][0]["iteration"] for one in seen[1:]] == [0, 1]
    assert all("state" in one for one in seen)


def test_the_last_lines_may_be_asked_for(service) -> None:
    run = finished(service, b"one\ntwo\nthree\n", metrics=5)
    seen = frames(service, run, "?last=2")
    assert log_of(seen) == "two\nthree\n"
    assert [one["metrics"][0]["iteration"] for one in seen if "metrics" in one] == [3, 4]
    assert log_of(frames(service, run, "?last=0")) == ""
    assert log_of(frames(service, run, "?last=1000")) == "one\ntwo\nthree\n"


def test_a_broken_monitor_goes_on_where_it_was(service) -> None:
    run = finished(service, b"one\ntwo\nthree\n", metrics=5)
    seen = frames(service, run, "?offset=4&metrics=3")
    assert log_of(seen) == "two\nthree\n"
    assert [one["metrics"][0]["iteration"] for one in seen if "metrics" in one] == [3, 4]
    assert log_of(frames(service, run, "?offset=14&metrics=5")) == ""
    assert log_of(frames(service, run, "?offset=1000")) == ""


def test_a_long_log_comes_in_frames_of_bounded_size(service) -> None:
    log = b"".join(b"line %d\n" % number for number in range(30_000))
    run = finished(service, log, metrics=1000)
    seen = frames(service, run)
    assert log_of(seen).encode() == log
    assert max(len(one.get("message", "")) for one in seen) <= 64 * 1024
    assert [one["metrics"][0]["iteration"] for one in seen if "metrics" in one] == list(range(1000))


def test_metrics_known_already_are_passed_over_however_many_they_are(service) -> None:
    run = finished(service, b"", metrics=2500)
    (told,) = (one for one in frames(service, run, "?metrics=2499") if "metrics" in one)
    assert told["metrics"][0]["iteration"] == 2499


def test_bytes_that_are_no_text_are_replaced(service) -> None:
    assert log_of(frames(service, finished(service, b"a\xffb\n"))) == "a�b\n"


def test_a_run_that_left_no_log_still_tells_its_state(service) -> None:
    run = service.submit()
    service.store.request_cancel("dlaas", run, service.clock())
    assert frames(service, run) == [{"state": "canceled", "offset": 0}]


def test_a_run_is_followed_from_the_queue_to_its_end(service) -> None:
    run = service.submit()
    with service.client.websocket_connect(f"/v3/models/{run}/monitor") as socket:
        assert socket_status(socket.receive_text()) == {"state": "pending", "offset": 0}
        service.store.reserve_gpus(run, ["virtual:0"], service.clock())
        service.store.record_progress(run, TrainingState.RUNNING, Phase.PROCESSING, service.clock())
        assert socket_status(socket.receive_text()) == {"state": "running", "offset": 0}
        job = service.job(run)
        job.log.write_bytes(b"one\nhalf a li")
        assert socket_status(socket.receive_text()) == {"state": "running", "offset": 4, "message": "one\n"}
        job.log.write_bytes(b"one\nhalf a line\n")
        assert socket_status(socket.receive_text())["message"] == "half a line\n"
        job.metrics.write_text(METRIC % 1)
        assert socket_status(socket.receive_text())["metrics"][0]["iteration"] == 1
        job.log.write_bytes(b"one\nhalf a line\nthe end")
        service.store.finish(run, TrainingOutcome(TrainingState.ERROR, service.clock()))
        assert socket_status(socket.receive_text()) == {"state": "error", "offset": 23, "message": "the end"}
        with pytest.raises(WebSocketDisconnect) as end:
            socket.receive_text()
        assert end.value.code == 1000


def test_a_monitor_ends_with_the_history_of_its_run(service) -> None:
    run = service.submit()
    with service.client.websocket_connect(f"/v3/models/{run}/monitor") as socket:
        socket.receive_text()
        service.store.request_cancel("dlaas", run, service.clock())
        service.store.delete_training("dlaas", run)
        with pytest.raises(WebSocketDisconnect):
            list(iter(socket.receive_text, None))  # its new state may be sent before the history is gone


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v3/models/{run}/monitor", {"Authorization": ""}, 401, "missing_authorization_token"),
        ("/v3/models/{run}/monitor", {"Authorization": "Bearer x"}, 401, "invalid_authorization_token"),
        ("/v3/models/training-000000000/monitor", {}, 404, "not_found"),
        ("/v3/models/%00/monitor", {}, 404, "not_found"),
        ("/v3/nothing", {}, 404, "not_found"),
        ("/v3/models/{run}/monitor?last=1001", {}, 400, "invalid_query_parameter_value"),
        ("/v3/models/{run}/monitor?last=-1", {}, 400, "invalid_query_parameter_value"),
        ("/v3/models/{run}/monitor?last=²", {}, 400, "invalid_query_parameter_value"),
        ("/v3/models/{run}/monitor?last=", {}, 400, "invalid_query_parameter_value"),
        ("/v3/models/{run}/monitor?offset=x", {}, 400, "invalid_query_parameter_value"),
        ("/v3/models/{run}/monitor?offset=" + "9" * 30, {}, 400, "invalid_query_parameter_value"),
        ("/v3/models/{run}/monitor?last=1&offset=1", {}, 400, "invalid_query_parameter_value"),
    ],
)
def test_a_refused_handshake_is_an_envelope(service, path: str, headers: dict, status: int, code: str) -> None:
    path = path.format(run=service.submit())
    with pytest.raises(WebSocketDenialResponse) as denied, service.client.websocket_connect(path, headers=headers):
        pass
    assert (denied.value.status_code, denied.value.json()["errors"][0]["code"]) == (status, code)


@pytest.mark.parametrize("name", ["log", "metrics.jsonl"])
@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path.name)])
def test_a_file_that_cannot_be_read_closes_its_monitor_with_the_reason(
    service, name: str, put: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    run = service.submit()
    service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    put(service.job(run).path / name)
    for _ in range(2):
        path = f"/v3/models/{run}/monitor"
        with service.client.websocket_connect(path) as socket, pytest.raises(WebSocketDisconnect) as end:
            socket.receive_text()
        assert (end.value.code, name in end.value.reason, "cannot be read" in end.value.reason) == (1000, True, True)
    assert len([line for line in caplog.records if run in line.getMessage() and line.levelname == "WARNING"]) == 1
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        service.client.websocket_connect(f"/v3/models/{run}/monitor?last=1"),
    ):
        pass
    assert (denied.value.status_code, denied.value.json()["errors"][0]["code"]) == (404, "not_found")
    assert "cannot be read" in denied.value.json()["errors"][0]["message"]


def test_others_cannot_watch(service) -> None:
    run = service.submit()
    headers = {"Authorization": f"Bearer {service.log_in('other')}"}
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        service.client.websocket_connect(f"/v3/models/{run}/monitor", headers=headers),
    ):
        pass
    assert denied.value.status_code == 404


def test_each_of_several_monitors_gets_the_whole_log(service) -> None:
    run = service.submit()
    service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    service.store.record_progress(run, TrainingState.RUNNING, Phase.PROCESSING, service.clock())
    with ExitStack() as stack:
        sockets = [stack.enter_context(service.client.websocket_connect(f"/v3/models/{run}/monitor")) for _ in range(5)]
        for socket in sockets:
            assert socket_status(socket.receive_text()) == {"state": "running", "offset": 0}
        service.job(run).log.write_bytes(b"one\n")
        assert [socket_status(socket.receive_text())["message"] for socket in sockets] == ["one\n"] * 5
        service.store.finish(run, TrainingOutcome(TrainingState.COMPLETED, service.clock(), exit_code=0))
        assert [socket_status(socket.receive_text())["state"] for socket in sockets] == ["completed"] * 5


def other_users_log(service) -> str:
    """Read the log of a running training of another user by a monitor."""
    authorization = {"Authorization": f"Bearer {service.log_in('other')}"}
    service.store.create_training(a_training("training-others", "other"), a_definition(), key=None, request_digest="d")
    service.store.reserve_gpus("training-others", ["virtual:1"], service.clock())
    service.job("training-others").log.write_bytes(b"two\n")
    with service.client.websocket_connect("/v3/models/training-others/monitor", headers=authorization) as socket:
        return socket_status(socket.receive_text())["message"]


@pytest.mark.parametrize("service", [{"limits": ApiLimits(log_streams=3)}], indirect=True)
def test_one_monitor_too_many_is_refused_until_another_closes(service) -> None:
    run, ended = service.submit(), finished(service, b"one\n")
    path = f"/v3/models/{run}/monitor"
    with ExitStack() as stack:
        sockets = [stack.enter_context(service.client.websocket_connect(path)) for _ in range(2)]
        with pytest.raises(WebSocketDenialResponse) as denied, service.client.websocket_connect(path):
            pass
        assert (denied.value.status_code, denied.value.json()["errors"][0]["code"]) == (429, "rate_limit_exceeded")
        assert "DLAAS_MONITOR_LIMIT" in denied.value.json()["errors"][0]["message"]
        assert 10 <= int(denied.value.headers["Retry-After"]) <= 600
        assert log_of(frames(service, ended)) == "one\n"  # the log of what has ended can be had all the same
        assert other_users_log(service) == "two\n"  # a place is left for another user
        sockets.pop().close()
        with service.client.websocket_connect(path):
            pass


def ask(service, run: str, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Open a monitor with nothing between it and *send*, and let it come to its end."""

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else await asyncio.Event().wait()

    messages = [{"type": "websocket.connect"}]
    path = f"/v3/models/{run}/monitor"
    headers = [(b"authorization", service.client.headers["Authorization"].encode())]
    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
    asked = service.client.app({**scope, "subprotocols": [], "extensions": {}}, receive, send)
    asyncio.run(asyncio.wait_for(asked, 20))


def test_a_training_that_is_deleted_before_its_log_was_sent_closes_with_the_reason(service) -> None:
    run = finished(service, b"x" * 63 + b"\n" + b"y\n" * 100_000)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if [one["type"] for one in sent].count("websocket.send") == 1:
            service.client.delete(f"/v3/models/{run}")

    ask(service, run, send)
    assert sent[-1]["type"] == "websocket.close"
    assert sent[-1]["reason"] == "the training was deleted"


def test_a_client_that_does_not_read_is_given_up_and_nothing_is_gathered_for_it(
    service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = finished(service, b"one line of many\n" * 100_000)
    sent: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()

    monkeypatch.setattr(monitoring, "SEND_TIMEOUT", 0.01)
    caplog.set_level("INFO")
    ask(service, run, send)
    assert sent == ["websocket.accept", "websocket.send"]
    assert run in caplog.text
