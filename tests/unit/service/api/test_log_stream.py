"""The route of the log stream."""

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
from airflow_dlaas.service.api import log_stream
from airflow_dlaas.service.api.dependencies import ApiLimits
from airflow_dlaas.service.store.records import TrainingOutcome
from tests.conformance.store.conftest import a_definition, a_training
from tests.unit.service.api.test_attempts import begin_attempt, between_attempts
from tests.unit.service.api.test_models import start

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
    """Return all frames until the service closes the WebSocket normally."""
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


def test_log_of_an_ended_training_is_sent_and_the_stream_closes(service) -> None:
    run = finished(service, b"one\ntwo\nthree", metrics=2)
    seen = frames(service, run)
    assert seen[0] == {"message": "one\ntwo\nthree", "state": "completed", "offset": 13}
    assert [one["metrics"][0]["iteration"] for one in seen[1:]] == [0, 1]
    assert all("state" in one for one in seen)


def test_log_stream_can_begin_with_the_last_lines(service) -> None:
    run = finished(service, b"one\ntwo\nthree\n", metrics=5)
    seen = frames(service, run, "?last=2")
    assert log_of(seen) == "two\nthree\n"
    assert [one["metrics"][0]["iteration"] for one in seen if "metrics" in one] == [3, 4]
    assert log_of(frames(service, run, "?last=0")) == ""
    assert log_of(frames(service, run, "?last=1000")) == "one\ntwo\nthree\n"


def test_log_stream_can_be_resumed_at_an_offset(service) -> None:
    run = finished(service, b"one\ntwo\nthree\n", metrics=5)
    seen = frames(service, run, "?offset=4&metrics=3")
    assert log_of(seen) == "two\nthree\n"
    assert [one["metrics"][0]["iteration"] for one in seen if "metrics" in one] == [3, 4]
    assert log_of(frames(service, run, "?offset=14&metrics=5")) == ""
    assert log_of(frames(service, run, "?offset=1000")) == ""


def test_long_log_is_sent_in_frames_of_limited_size(service) -> None:
    log = b"".join(b"line %d\n" % number for number in range(30_000))
    run = finished(service, log, metrics=1000)
    seen = frames(service, run)
    assert log_of(seen).encode() == log
    assert max(len(one.get("message", "")) for one in seen) <= 64 * 1024
    assert [one["metrics"][0]["iteration"] for one in seen if "metrics" in one] == list(range(1000))


def test_known_metrics_are_skipped(service) -> None:
    run = finished(service, b"", metrics=2500)
    (frame,) = (one for one in frames(service, run, "?metrics=2499") if "metrics" in one)
    assert frame["metrics"][0]["iteration"] == 2499


def test_invalid_utf8_is_replaced(service) -> None:
    assert log_of(frames(service, finished(service, b"a\xffb\n"))) == "a�b\n"


def test_state_is_sent_without_a_log(service) -> None:
    run = service.submit()
    service.store.request_cancel("dlaas", run, service.clock())
    assert frames(service, run) == [{"state": "canceled", "offset": 0}]


def test_training_is_followed_from_the_queue_to_its_end(service) -> None:
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


def test_log_stream_goes_on_over_the_attempts_of_a_training(service) -> None:
    run = service.submit()
    start(service, run)
    job = service.job(run)
    job.log.write_bytes(b"one\n")
    with service.client.websocket_connect(f"/v3/models/{run}/monitor") as socket:
        assert socket_status(socket.receive_text()) == {"state": "running", "offset": 4, "message": "one\n"}
        between_attempts(service, run)
        with job.log.open("ab") as log:
            log.write(b"attempt 2\n")
        assert socket_status(socket.receive_text()) == {"state": "running", "offset": 14, "message": "attempt 2\n"}
        begin_attempt(service, run)
        job.metrics.write_text(METRIC.replace("}]}", '}],"attempt":2}') % 1)
        assert socket_status(socket.receive_text())["metrics"][0]["attempt"] == 2
        service.store.finish(run, TrainingOutcome(TrainingState.COMPLETED, service.clock(), exit_code=0))
        assert socket_status(socket.receive_text()) == {"state": "completed", "offset": 14}
        with pytest.raises(WebSocketDisconnect) as end:
            socket.receive_text()
        assert end.value.reason == LOG_COMPLETE_REASON


def test_log_and_metrics_of_a_training_between_two_attempts_are_not_complete(service) -> None:
    run = service.submit()
    start(service, run)
    service.job(run).log.write_bytes(b"one\n")
    service.job(run).metrics.write_text(METRIC % 1)
    between_attempts(service, run)
    for path in ("log", "log?tail=100", "metrics", "usage"):
        reply = service.client.get(f"/v3/models/{run}/{path}")
        assert (reply.status_code, reply.json()["complete"]) == (200, False), path
    service.store.request_cancel("dlaas", run, service.clock())
    assert service.client.get(f"/v3/models/{run}/log").json()["complete"]
    assert frames(service, run)[0] == {"state": "canceled", "offset": 4, "message": "one\n"}


def test_log_stream_closes_when_its_training_is_deleted(service) -> None:
    run = service.submit()
    with service.client.websocket_connect(f"/v3/models/{run}/monitor") as socket:
        socket.receive_text()
        service.store.request_cancel("dlaas", run, service.clock())
        service.store.delete_training("dlaas", run)
        with pytest.raises(WebSocketDisconnect):
            list(iter(socket.receive_text, None))  # its final state may be sent before the deletion


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
def test_refused_handshake_is_an_error_report(service, path: str, headers: dict, status: int, code: str) -> None:
    path = path.format(run=service.submit())
    with pytest.raises(WebSocketDenialResponse) as denied, service.client.websocket_connect(path, headers=headers):
        pass
    assert (denied.value.status_code, denied.value.json()["errors"][0]["code"]) == (status, code)


@pytest.mark.parametrize("name", ["log", "metrics.jsonl"])
@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path.name)])
def test_unreadable_file_closes_the_log_stream_with_the_reason(
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


def test_other_users_cannot_open_a_log_stream(service) -> None:
    run = service.submit()
    headers = {"Authorization": f"Bearer {service.log_in('other')}"}
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        service.client.websocket_connect(f"/v3/models/{run}/monitor", headers=headers),
    ):
        pass
    assert denied.value.status_code == 404


def test_each_of_several_log_streams_gets_the_whole_log(service) -> None:
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
    """Read the log of a running training of another user by a log stream."""
    authorization = {"Authorization": f"Bearer {service.log_in('other')}"}
    service.store.create_training(a_training("training-others", "other"), a_definition(), key=None, request_digest="d")
    service.store.reserve_gpus("training-others", ["virtual:1"], service.clock())
    service.job("training-others").log.write_bytes(b"two\n")
    with service.client.websocket_connect("/v3/models/training-others/monitor", headers=authorization) as socket:
        return socket_status(socket.receive_text())["message"]


@pytest.mark.parametrize("service", [{"limits": ApiLimits(log_streams=3)}], indirect=True)
def test_log_stream_above_the_limit_is_refused_until_another_closes(service) -> None:
    run, ended = service.submit(), finished(service, b"one\n")
    path = f"/v3/models/{run}/monitor"
    with ExitStack() as stack:
        sockets = [stack.enter_context(service.client.websocket_connect(path)) for _ in range(2)]
        with pytest.raises(WebSocketDenialResponse) as denied, service.client.websocket_connect(path):
            pass
        assert (denied.value.status_code, denied.value.json()["errors"][0]["code"]) == (429, "rate_limit_exceeded")
        assert "DLAAS_MONITOR_LIMIT" in denied.value.json()["errors"][0]["message"]
        assert 10 <= int(denied.value.headers["Retry-After"]) <= 600
        assert log_of(frames(service, ended)) == "one\n"  # ended trainings have a limit of their own
        assert other_users_log(service) == "two\n"  # the limit leaves one for another user
        sockets.pop().close()
        with service.client.websocket_connect(path):
            pass


def ask(service, run: str, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Open a log stream that sends directly to *send*, and wait for its end."""

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else await asyncio.Event().wait()

    messages = [{"type": "websocket.connect"}]
    path = f"/v3/models/{run}/monitor"
    headers = [(b"authorization", service.client.headers["Authorization"].encode())]
    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
    asked = service.client.app({**scope, "subprotocols": [], "extensions": {}}, receive, send)
    asyncio.run(asyncio.wait_for(asked, 20))


def test_deletion_before_the_log_was_sent_is_the_close_reason(service) -> None:
    run = finished(service, b"x" * 63 + b"\n" + b"y\n" * 100_000)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if [one["type"] for one in sent].count("websocket.send") == 1:
            service.client.delete(f"/v3/models/{run}")

    ask(service, run, send)
    assert sent[-1]["type"] == "websocket.close"
    assert sent[-1]["reason"] == "the training was deleted"


def test_client_that_reads_nothing_is_disconnected_and_nothing_is_buffered(
    service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = finished(service, b"one line of many\n" * 100_000)
    sent: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()

    monkeypatch.setattr(log_stream, "SEND_TIMEOUT", 0.01)
    caplog.set_level("INFO")
    ask(service, run, send)
    assert sent == ["websocket.accept", "websocket.send"]
    assert run in caplog.text
