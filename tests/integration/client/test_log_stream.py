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
from tests.integration.client.conftest import TIME, TIMEOUT, say, training

QUICK = RetryPolicy(attempts=3, first_pause=0.01, max_pause=0.02, jitter=1)
LINES = [f"step {n}: löss\n" for n in range(200)]
LOG = "".join(LINES)


class Split(Client):
    """HTTP at one port and the WebSocket at another, as no real service has it: the two servers are two here."""

    socket_root = ""

    def websocket_url(self, path: str) -> str:
        return self.socket_root + path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("airflow_dlaas.client.log_stream._MIN_RECONNECT_DELAY", 0.01)


@asynccontextmanager
async def monitor(service, tell, refuse=lambda _: None):
    """Serve a monitor that does what *tell* does; yields a client."""

    async def handler(connection):
        await tell(connection)

    async def gate(connection, request):
        status = refuse(request)
        if status is None:
            return None
        response = connection.respond(status, "<html>no</html>")
        response.headers["Location"] = "/elsewhere"
        return response

    async with serve(handler, "127.0.0.1", 0, process_request=gate) as server:
        with Split(service.url, "u", "p", timeout=TIMEOUT) as client:
            client.socket_root = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield client


async def listen(client, **options):
    async with aclosing(follow_log(client, "training-a", retries=QUICK, **options)) as frames:
        return [frame async for frame in frames]


def text(frames):
    return "".join(frame.status.message or "" for frame in frames)


def frame(message, **status):
    return json.dumps({"status": {"message": message, **status}})


def test_a_foreign_log_that_breaks_off_again_and_again_is_told_once(service):
    service.script["/v3/models/training-a"] = [say(training(state="completed"))]
    lives = iter([30, 90, 200, 200])

    async def tell(connection):
        upto = next(lives)
        for line in LINES[:upto]:
            await connection.send(frame(line))
        if upto < len(LINES):
            await connection.close(1011)

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client)

    frames = asyncio.run(scene())
    assert text(frames) == LOG
    assert frames[-1].status.offset == len(LOG.encode())


def test_our_own_log_is_taken_up_where_it_broke(service):
    service.script["/v3/models/training-a"] = [say(training(state="completed"))]
    asked = []

    async def tell(connection):
        asked.append(connection.request.path.partition("?")[2])
        start = int(asked[-1].partition("=")[2] or 0)
        sent = 0
        for n, line in enumerate(LINES):
            sent += len(line.encode())
            if sent > start:
                await connection.send(frame(line, offset=sent, state="running"))
            if n == 99 and start == 0:
                connection.transport.abort()
                return

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client)

    assert text(asyncio.run(scene())) == LOG
    assert asked[0] == ""
    assert asked[1].startswith("offset=")


METRIC = json.dumps({"status": {"metrics": [{"timestamp": TIME, "iteration": 1, "values": []}]}})


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_foreign_log_of_an_ended_training_that_is_closed_cleanly_in_between_arrives_whole_and_once(service, code):
    service.script["/v3/models/training-a"] = [say(training(state="completed"))]
    lives = iter([50, 120, 200, 200])

    async def tell(connection):
        for line in LINES[: next(lives)]:
            await connection.send(frame(line))
        await connection.send(METRIC)
        await connection.close(code)

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client)

    frames = asyncio.run(scene())
    assert text(frames) == LOG
    assert len([one for one in frames if one.status.metrics]) == 3  # one at each of the three places, none again
    assert list(lives) == []


@pytest.mark.parametrize("code", [1000, 1001])
def test_our_log_of_an_ended_training_that_is_closed_cleanly_in_between_arrives_whole_and_once(service, code):
    service.script["/v3/models/training-a"] = [say(training(state="completed"))]
    asked = []

    async def tell(connection):
        asked.append(connection.request.path.partition("?")[2])
        sent = start = int(asked[-1].partition("=")[2] or 0)
        for line in LOG.encode()[start:].decode().splitlines(keepends=True)[:90]:
            sent += len(line.encode())
            await connection.send(frame(line, offset=sent, state="completed"))
        await connection.close(code)

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client)

    assert text(asyncio.run(scene())) == LOG
    assert len(asked) == 4  # three with 90 lines at most, and one that has nothing more


def test_a_log_that_the_service_calls_complete_is_not_asked_for_again(service):
    asked = []

    async def tell(connection):
        asked.append(connection.request.path)
        await connection.send(frame(LOG, offset=len(LOG.encode()), state="completed"))
        await connection.close(1000, LOG_COMPLETE_REASON)

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client)

    assert text(asyncio.run(scene())) == LOG
    assert len(asked) == 1


def test_a_training_that_is_deleted_once_it_has_ended_ends_its_log_without_an_error(service):
    answers = iter([None, HTTPStatus.NOT_FOUND])

    async def tell(connection):
        await connection.send(frame(LOG, offset=len(LOG.encode()), state="completed"))
        await connection.close(1000, "the training was deleted")

    async def scene():
        async with monitor(service, tell, lambda _: next(answers)) as client:
            return await listen(client)

    assert text(asyncio.run(scene())) == LOG
    assert list(answers) == []


def test_a_later_call_goes_on_from_an_offset(service):
    service.script["/v3/models/training-a"] = [say(training(state="error"))]

    async def tell(connection):
        await connection.send(frame(LOG))

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client, offset=len("".join(LINES[:7]).encode()))

    assert text(asyncio.run(scene())) == "".join(LINES[7:])


def test_a_log_closed_before_the_end_is_opened_again(service):
    service.script["/v3/models/training-a"] = [say(training())] * 4 + [say(training(state="completed"))]
    lives = iter([50, 50, 100, 100, 200, 200])

    async def tell(connection):
        await connection.send(frame("".join(LINES[: next(lives)])))

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client)

    assert text(asyncio.run(scene())) == LOG


def test_a_refused_token_is_renewed_once(service):
    service.script["/v3/models/training-a"] = [say(training(state="completed"))]
    shown = []

    def gate(request):
        shown.append(request.headers["Authorization"])
        return None if shown[-1] == "Bearer token-2" else HTTPStatus.UNAUTHORIZED

    async def tell(connection):
        await connection.send(frame(LOG, offset=len(LOG.encode()), state="completed"))
        await connection.close(1000, LOG_COMPLETE_REASON)

    async def scene(refuse):
        async with monitor(service, tell, refuse) as client:
            return await listen(client)

    assert text(asyncio.run(scene(gate))) == LOG
    assert shown == ["Bearer token-1", "Bearer token-2"]
    with pytest.raises(Unauthenticated):
        asyncio.run(scene(lambda _: HTTPStatus.UNAUTHORIZED))


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (302, ProtocolError), (503, Unavailable), (200, ProtocolError)]
)
def test_a_refusal_arrives_as_itself(service, status, error):
    asked = []

    def gate(request):
        asked.append(request.path)
        return HTTPStatus(status)

    async def scene():
        async with monitor(service, None, gate) as client:
            return await listen(client)

    with pytest.raises(error):
        asyncio.run(scene())
    assert set(asked) == {"/v3/models/training-a/monitor"}


def test_a_log_that_cannot_be_reached_any_more_is_given_up(service):
    async def tell(connection):
        connection.transport.abort()

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client)

    with pytest.raises(Unreachable, match="training-a") as caught:
        asyncio.run(scene())
    assert caught.value.__cause__ is not None


def test_what_is_no_frame_is_not_understood(service):
    async def tell(connection):
        await connection.send("<html>")

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client)

    with pytest.raises(ProtocolError):
        asyncio.run(scene())


def test_the_token_is_in_no_log(service, caplog):
    caplog.set_level("DEBUG")
    service.script["/v3/models/training-a"] = [say(training(state="completed"))]

    async def tell(connection):
        await connection.send(frame(LOG))

    async def scene():
        async with monitor(service, tell) as client:
            return await listen(client)

    asyncio.run(scene())
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith("websockets.server")]
    assert not [one for one in ours if "token-1" in one]
