from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import serve

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.log_stream import follow_log
from airflow_dlaas.contract.log_stream import LOG_COMPLETE_REASON
from airflow_dlaas.exceptions import NotFound, ProtocolError, Unauthenticated, Unavailable, Unreachable
from tests.integration.client.conftest import TIME, TIMEOUT, reply, training

QUICK = RetryPolicy(attempts=3, first_pause=0.01, max_pause=0.02, jitter=1)
LINES = [f"step {n}: löss\n" for n in range(200)]
LOG = "".join(LINES)


class TwoServersClient(Client):
    """A client for two servers: HTTP at one port and the WebSocket at another."""

    socket_root = ""

    def websocket_url(self, path: str) -> str:
        return self.socket_root + path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("airflow_dlaas.client.log_stream._MIN_RECONNECT_DELAY", 0.01)


@asynccontextmanager
async def log_stream_of(service, send_frames, refuse=lambda _: None):
    """Serve a log stream whose frames *send_frames* sends; yield a client for it."""

    async def handler(connection):
        await send_frames(connection)

    async def gate(connection, request):
        status = refuse(request)
        if status is None:
            return None
        response = connection.respond(status, "<html>no</html>")
        response.headers["Location"] = "/elsewhere"
        return response

    async with serve(handler, "127.0.0.1", 0, process_request=gate) as server:
        with TwoServersClient(service.url, "u", "p", timeout=TIMEOUT) as client:
            client.socket_root = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield client


async def follow(client, **options):
    async with aclosing(follow_log(client, "training-a", retries=QUICK, **options)) as frames:
        return [frame async for frame in frames]


def text(frames):
    return "".join(frame.status.message or "" for frame in frames)


def frame(message, **status):
    return json.dumps({"status": {"message": message, **status}})


def test_foreign_log_arrives_once_across_broken_connections(service):
    service.script["/v3/models/training-a"] = [reply(training(state="completed"))]
    lengths = iter([30, 90, 200, 200])

    async def send_frames(connection):
        count = next(lengths)
        for line in LINES[:count]:
            await connection.send(frame(line))
        if count < len(LINES):
            await connection.close(1011)

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    frames = asyncio.run(scenario())
    assert text(frames) == LOG
    assert frames[-1].status.offset == len(LOG.encode())


def test_our_log_continues_at_the_offset_after_a_broken_connection(service):
    service.script["/v3/models/training-a"] = [reply(training(state="completed"))]
    queries = []

    async def send_frames(connection):
        queries.append(connection.request.path.partition("?")[2])
        start = int(queries[-1].partition("=")[2] or 0)
        sent = 0
        for n, line in enumerate(LINES):
            sent += len(line.encode())
            if sent > start:
                await connection.send(frame(line, offset=sent, state="running"))
            if n == 99 and start == 0:
                connection.transport.abort()
                return

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    assert text(asyncio.run(scenario())) == LOG
    assert queries[0] == ""
    assert queries[1].startswith("offset=")


METRIC = json.dumps({"status": {"metrics": [{"timestamp": TIME, "iteration": 1, "values": []}]}})


@pytest.mark.parametrize("code", [1000, 1001])
def test_foreign_log_of_an_ended_training_arrives_once_across_clean_closes(service, code):
    service.script["/v3/models/training-a"] = [reply(training(state="completed"))]
    lengths = iter([50, 120, 200, 200])

    async def send_frames(connection):
        for line in LINES[: next(lengths)]:
            await connection.send(frame(line))
        await connection.send(METRIC)
        await connection.close(code)

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    frames = asyncio.run(scenario())
    assert text(frames) == LOG
    assert (
        len([one for one in frames if one.status.metrics]) == 3
    )  # one at each of the three positions, and no repetition
    assert list(lengths) == []


@pytest.mark.parametrize("code", [1000, 1001])
def test_our_log_of_an_ended_training_arrives_once_across_clean_closes(service, code):
    service.script["/v3/models/training-a"] = [reply(training(state="completed"))]
    queries = []

    async def send_frames(connection):
        queries.append(connection.request.path.partition("?")[2])
        sent = start = int(queries[-1].partition("=")[2] or 0)
        for line in LOG.encode()[start:].decode().splitlines(keepends=True)[:90]:
            sent += len(line.encode())
            await connection.send(frame(line, offset=sent, state="completed"))
        await connection.close(code)

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    assert text(asyncio.run(scenario())) == LOG
    assert len(queries) == 4  # three with 90 lines at most, and one that has nothing more


def test_complete_log_is_not_requested_again(service):
    queries = []

    async def send_frames(connection):
        queries.append(connection.request.path)
        await connection.send(frame(LOG, offset=len(LOG.encode()), state="completed"))
        await connection.close(1000, LOG_COMPLETE_REASON)

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    assert text(asyncio.run(scenario())) == LOG
    assert len(queries) == 1


def test_log_of_a_training_that_is_deleted_after_its_end_ends_without_an_error(service):
    answers = iter([None, HTTPStatus.NOT_FOUND])

    async def send_frames(connection):
        await connection.send(frame(LOG, offset=len(LOG.encode()), state="completed"))
        await connection.close(1000, "the training was deleted")

    async def scenario():
        async with log_stream_of(service, send_frames, lambda _: next(answers)) as client:
            return await follow(client)

    assert text(asyncio.run(scenario())) == LOG
    assert list(answers) == []


def test_call_with_an_offset_continues_there(service):
    service.script["/v3/models/training-a"] = [reply(training(state="error"))]

    async def send_frames(connection):
        await connection.send(frame(LOG))

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client, offset=len("".join(LINES[:7]).encode()))

    assert text(asyncio.run(scenario())) == "".join(LINES[7:])


def test_log_that_is_closed_before_the_end_is_opened_again(service):
    service.script["/v3/models/training-a"] = [reply(training())] * 4 + [reply(training(state="completed"))]
    lengths = iter([50, 50, 100, 100, 200, 200])

    async def send_frames(connection):
        await connection.send(frame("".join(LINES[: next(lengths)])))

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    assert text(asyncio.run(scenario())) == LOG


def test_refused_token_is_renewed_once(service):
    service.script["/v3/models/training-a"] = [reply(training(state="completed"))]
    tokens = []

    def gate(request):
        tokens.append(request.headers["Authorization"])
        return None if tokens[-1] == "Bearer token-2" else HTTPStatus.UNAUTHORIZED

    async def send_frames(connection):
        await connection.send(frame(LOG, offset=len(LOG.encode()), state="completed"))
        await connection.close(1000, LOG_COMPLETE_REASON)

    async def scenario(refuse):
        async with log_stream_of(service, send_frames, refuse) as client:
            return await follow(client)

    assert text(asyncio.run(scenario(gate))) == LOG
    assert tokens == ["Bearer token-1", "Bearer token-2"]
    with pytest.raises(Unauthenticated):
        asyncio.run(scenario(lambda _: HTTPStatus.UNAUTHORIZED))


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (302, ProtocolError), (503, Unavailable), (200, ProtocolError)]
)
def test_refused_handshake_raises_the_error_of_its_status(service, status, error):
    queries = []

    def gate(request):
        queries.append(request.path)
        return HTTPStatus(status)

    async def scenario():
        async with log_stream_of(service, None, gate) as client:
            return await follow(client)

    with pytest.raises(error):
        asyncio.run(scenario())
    assert set(queries) == {"/v3/models/training-a/monitor"}


def test_unreachable_log_raises_after_the_last_attempt(service):
    async def send_frames(connection):
        connection.transport.abort()

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    with pytest.raises(Unreachable, match="training-a") as caught:
        asyncio.run(scenario())
    assert caught.value.__cause__ is not None


def test_each_reconnection_is_logged_with_attempt_cause_and_pause(service, caplog):
    async def send_frames(connection):
        connection.transport.abort()

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    with pytest.raises(Unreachable):
        asyncio.run(scenario())
    retries = [one for one in caplog.records if one.name == "airflow_dlaas.client.log_stream"]
    assert [one.levelname for one in retries] == ["WARNING"] * 2
    for number, record in zip((2, 3), retries, strict=True):
        message = record.getMessage()
        assert message.startswith("Following the log of training training-a from byte 0 failed (The log stream of")
        assert message.endswith(f"retrying in 0.0 s (attempt {number} of 3)")


def test_clean_closes_are_logged_as_one_warning(service, caplog):
    service.script["/v3/models/training-a"] = [*([reply(training())] * 3), reply(training(state="completed"))]

    async def send_frames(connection):
        await connection.close(1000)

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    with caplog.at_level("DEBUG", "airflow_dlaas.client.log_stream"):
        asyncio.run(scenario())
    retries = [one for one in caplog.records if "retrying" in one.getMessage()]
    assert [one.levelname for one in retries] == ["WARNING", "DEBUG", "DEBUG"]
    assert "the connection was closed before the end of the log" in retries[0].getMessage()


def test_invalid_frame_is_a_protocol_error(service):
    async def send_frames(connection):
        await connection.send("<html>")

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    with pytest.raises(ProtocolError):
        asyncio.run(scenario())


def test_no_log_record_has_the_token(service, caplog):
    caplog.set_level("DEBUG")
    service.script["/v3/models/training-a"] = [reply(training(state="completed"))]

    async def send_frames(connection):
        await connection.send(frame(LOG))

    async def scenario():
        async with log_stream_of(service, send_frames) as client:
            return await follow(client)

    asyncio.run(scenario())
    messages = [one.getMessage() for one in caplog.records if not one.name.startswith("websockets.server")]
    assert not [one for one in messages if "token-1" in one]
