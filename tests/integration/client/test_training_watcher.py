from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from airflow_dlaas.client import training_poller
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.training_watcher import TrainingWatcher, shared_watcher
from airflow_dlaas.exceptions import NotFound, ProtocolError, Unauthenticated
from tests.integration.client.conftest import Answer, Request, Service, instance, refuse, reply, serving, training
from tests.waiting import WAIT_TIMEOUT

IDS = [f"training-{n}" for n in range(20)]


class Trainings(Service):
    """A small service, ours or a foreign one; the test changes its trainings."""

    def __init__(self) -> None:
        super().__init__()
        self.extended = True
        self.trainings: dict[str, tuple[str, int]] = {}
        self.revision = 0
        self.longest_poll = 5.0
        self.polls_waiting = 0

    def put(self, id: str, state: str) -> None:
        with self.lock:
            self.revision += 1
            self.trainings[id] = (state, self.revision)

    def answer(self, request: Request) -> Answer:
        path, _, query = request.path.partition("?")
        requests = dict(one.split("=") for one in query.split("&") if one)
        if path in self.script or path.startswith("/v3/identity"):
            return super().answer(request)
        with self.lock:
            self.requests.append(request)
        if path == "/v3/wml_instances/default":
            return reply(instance(changes=True)) if self.extended else refuse(404, "not_found")
        if path != "/v3/models":
            trainings = self.trainings.get(path.rpartition("/")[2])
            return reply(training(path.rpartition("/")[2], trainings[0])) if trainings else refuse(404, "not_found")
        if "wait" not in requests:
            return reply({"resources": [training(one, state) for one, (state, _) in self.trainings.items()]})
        after = self.revision if requests["after"] == "now" else int(requests["after"])
        end = time.monotonic() + min(int(requests["wait"]), self.longest_poll)
        with self.lock:
            self.polls_waiting += 1
        while time.monotonic() < end and self.revision == after:
            time.sleep(0.005)
        with self.lock:
            self.polls_waiting -= 1
            changed = [training(one, state) for one, (state, at) in self.trainings.items() if at > after]
            return reply({"resources": changed, "cursor": str(self.revision)})


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr(training_poller, "_MIN_POLL_INTERVAL", 0.01)
    with serving(Trainings()) as service:
        yield service


async def states(watcher: TrainingWatcher, id: str, first: asyncio.Event | None = None) -> list[str]:
    """Return the states of training *id* until its end; set *first* at the first one."""
    seen = []
    async with aclosing(watcher.updates(id)) as found:
        async for one in found:
            seen.append(str(one.state))
            if first is not None:
                first.set()
    return seen


async def begin(watcher: TrainingWatcher, *ids: str) -> list[asyncio.Task[list[str]]]:
    """Start one wait for each of *ids*; return the tasks when each has its first state."""
    first = [asyncio.Event() for _ in ids]
    waits = [asyncio.create_task(states(watcher, one, event)) for one, event in zip(ids, first, strict=True)]
    await asyncio.wait_for(asyncio.gather(*(one.wait() for one in first)), WAIT_TIMEOUT)
    return waits


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until *condition* holds; fail with *what* when it does not within `WAIT_TIMEOUT`."""
    end = time.monotonic() + WAIT_TIMEOUT
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.01)


def test_many_waits_share_one_request_at_a_time(service, client):
    async def scenario():
        for one in IDS:
            service.put(one, "running")
        watcher = TrainingWatcher(client)
        waits = await begin(watcher, *IDS * 5)
        for one in IDS:
            service.put(one, "completed")
        return await asyncio.gather(*waits)

    assert asyncio.run(scenario()) == [["running", "completed"]] * 100
    requests = [one.path for one in service.requests_to("/v3/models")]
    assert requests[0] == "/v3/models?after=now&wait=0"
    assert [one for one in requests if "wait" not in one] == ["/v3/models?limit=100"]
    assert len(requests) < 10
    assert not [one for one in service.requests if one.path.startswith("/v3/models/")]


def test_change_between_the_first_request_and_the_change_feed_is_not_missed(service, client):
    async def scenario():
        service.put("training-1", "running")
        cursor = reply({"resources": [], "cursor": "1"})
        cursor.delay = 0.3
        service.script["/v3/models"] = [cursor, reply({"resources": [], "cursor": "1"})]
        await TrainingWatcher(client).next_update("training-1")

    asyncio.run(scenario())
    assert len(service.requests_to("/v3/models")) == 2  # the change feed is already active
    assert service.requests[-1].path != "/v3/models?after=now&wait=0"


def test_change_is_reported_by_the_waiting_long_poll(service, client):
    async def scenario():
        service.longest_poll = 600
        service.put("training-1", "running")
        async with aclosing(TrainingWatcher(client).updates("training-1")) as found:
            await anext(found)
            await until(lambda: service.polls_waiting == 1, "no long poll")
            requests = len(service.requests)
            service.put("training-1", "completed")
            assert str((await asyncio.wait_for(anext(found), WAIT_TIMEOUT)).state) == "completed"
            return [one.path for one in service.requests[requests:]]

    assert [one for one in asyncio.run(scenario()) if "after=" not in one] == []


def test_list_of_a_foreign_service_is_requested_at_an_interval(service, client):
    async def scenario():
        service.extended = False
        for one in IDS:
            service.put(one, "running")
        begun = time.monotonic()
        waits = await begin(TrainingWatcher(client, interval=0.1), *IDS)
        await until(lambda: len(service.requests_to("/v3/models")) >= 4, "there is no further request")
        lasted = time.monotonic() - begun
        for one in IDS:
            service.put(one, "error")
        return lasted, await asyncio.gather(*waits)

    lasted, seen = asyncio.run(scenario())
    assert seen == [["running", "error"]] * 20
    assert lasted > 0.25  # three intervals, less rounding
    assert not [one for one in service.requests if one.path.startswith("/v3/models/")]


def test_single_training_of_a_foreign_service_is_requested_by_id(service, client):
    async def scenario():
        service.extended = False
        service.put("training-1", "completed")
        return await states(TrainingWatcher(client), "training-1")

    assert asyncio.run(scenario()) == ["completed"]
    assert service.requests_to("/v3/models") == []


@pytest.mark.parametrize("extended", [True, False])
def test_unknown_training_ends_its_own_wait_only(service, client, extended):
    async def scenario():
        service.extended = extended
        service.put("training-1", "running")
        watcher = TrainingWatcher(client, interval=0.05)
        here, gone = (asyncio.create_task(states(watcher, one)) for one in ("training-1", "training-2"))
        with pytest.raises(NotFound):
            await gone
        service.put("training-1", "canceled")
        return await here

    assert asyncio.run(scenario()) == ["running", "canceled"]


@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("before", [True, False], ids=["from the beginning", "later"])
def test_unreadable_training_ends_its_own_waits_only(service, client, extended, before, caplog):
    """Long polls go on; only the waits of the training itself end, with the reason."""

    async def scenario():
        service.extended = extended
        for one in IDS[:4]:
            service.put(one, "running")
        if before:
            service.put("training-0", "paused")
        watcher = TrainingWatcher(client, interval=0.05)
        if before:
            broken = asyncio.create_task(states(watcher, IDS[0]))
            others = await begin(watcher, *IDS[1:4])
        else:
            broken, *others = await begin(watcher, *IDS[:4])
        service.put("training-0", "paused")
        service.put("training-19", "paused")  # without a wait
        with pytest.raises(ProtocolError, match="state"):
            await asyncio.wait_for(broken, WAIT_TIMEOUT)
        for one in IDS[1:4]:
            service.put(one, "completed")
        return await asyncio.gather(*others)

    assert asyncio.run(scenario()) == [["running", "completed"]] * 3
    assert "change feed" not in caplog.text


def test_unreachable_service_ends_no_wait(service, client, monkeypatch, caplog):
    quick = replace(training_poller.POLL_RETRY, first_pause=0.05, max_pause=0.1)
    monkeypatch.setattr(training_poller, "POLL_RETRY", quick)
    caplog.set_level(logging.DEBUG, training_poller.__name__)

    async def scenario():
        service.put("training-1", "running")
        watcher = TrainingWatcher(client, interval=0.05)
        (wait,) = await begin(watcher, "training-1")
        bad = [Answer(hang_up=True), Answer(502, b"<html>"), refuse(429, "rate_limit_exceeded"), Answer(503)]
        service.script["/v3/models"] = [*bad, *bad, *bad, refuse(503, "underlying_api_error")]
        service.put("training-2", "pending")  # ends the current long poll
        await until(lambda: len(service.script["/v3/models"]) == 1, "there is no request for the last response")
        await until(lambda: "retrying in" in (watcher.last_error or ""), "last_error does not have the failure")
        assert not wait.done()
        del service.script["/v3/models"]
        service.put("training-1", "completed")
        seen = await wait
        assert watcher.last_error is None
        return seen

    assert asyncio.run(scenario()) == ["running", "completed"]
    retries = [one for one in caplog.records if "retrying in" in one.getMessage()]
    assert len(retries) >= 12
    assert [one.levelname for one in retries] == ["WARNING", *["DEBUG"] * (len(retries) - 1)]
    assert retries[0].getMessage().startswith(f"Requesting changes of trainings from {service.url} failed (No response")
    assert [one.getMessage().rpartition("(")[2] for one in retries[:2]] == ["attempt 2)", "attempt 3)"]


def test_permanent_error_ends_all_waits(service, client):
    async def scenario():
        service.script["/v3/identity/token"] = [refuse(401, "invalid_authorization_token")]
        watcher = TrainingWatcher(client)
        return await asyncio.gather(*(states(watcher, one) for one in IDS), return_exceptions=True)

    assert {type(one) for one in asyncio.run(scenario())} == {Unauthenticated}


def test_end_of_one_wait_leaves_the_others_and_the_last_one_stops_the_poller(service, client):
    async def scenario():
        service.put("training-1", "running")
        watcher = TrainingWatcher(client)
        stays, leaves = await begin(watcher, "training-1", "training-1")
        leaves.cancel()
        await asyncio.sleep(0.05)
        assert not stays.done()
        service.put("training-1", "completed")
        assert await stays == ["running", "completed"]
        await until(lambda: len(asyncio.all_tasks()) == 1, "a task runs on without a wait")

    asyncio.run(scenario())


def test_event_loop_ends_without_the_response_to_a_canceled_long_poll(service, client):
    async def scenario():
        service.longest_poll = 600
        service.put("training-1", "running")
        (wait,) = await begin(TrainingWatcher(client), "training-1")
        await until(lambda: service.polls_waiting == 1, "no long poll")
        wait.cancel()

    asyncio.run(scenario())
    assert service.polls_waiting == 1  # the event loop has ended before the response
    service.put("training-1", "completed")


def test_watcher_can_be_used_again(service, client):
    async def scenario():
        watcher = TrainingWatcher(client)
        service.put("training-1", "running")
        first = await watcher.next_update("training-1")
        waiting = asyncio.create_task(watcher.next_update("training-1", first))
        await asyncio.sleep(0.2)
        service.put("training-1", "completed")
        second = await waiting
        return first, second, await watcher.next_update("training-1", second)

    first, second, third = asyncio.run(scenario())
    assert (str(first.state), str(second.state)) == ("running", "completed")
    assert third is second


def test_service_with_an_invalid_change_feed_is_polled(service, client):
    async def scenario():
        for one in IDS[:2]:
            service.put(one, "running")
        service.script["/v3/models"] = [reply({"resources": [training(one, "completed") for one in IDS[:2]]})]
        watcher = TrainingWatcher(client, interval=0.05)
        return await asyncio.gather(*(states(watcher, one) for one in IDS[:2]))

    assert asyncio.run(scenario()) == [["completed"]] * 2


def test_service_that_does_not_hold_long_polls_is_polled_at_an_interval(service, client):
    async def scenario():
        service.put("training-1", "running")
        nothing = Answer(200, json.dumps({"resources": [], "cursor": "1"}).encode())
        service.script["/v3/models"] = [nothing]
        begun = time.monotonic()
        wait = asyncio.create_task(states(TrainingWatcher(client), "training-1"))
        await asyncio.sleep(1.5)
        wait.cancel()
        return time.monotonic() - begun

    seconds = asyncio.run(scenario())
    assert len(service.requests_to("/v3/models")) <= 3 + seconds / training_poller._MIN_IDLE_POLL_INTERVAL


def test_shared_watcher_is_the_same_for_equal_keys_until_the_last_caller_leaves(service):
    made: list[Client] = []

    def make() -> Client:
        made.append(Client(service.url, "u", "p"))
        return made[-1]

    async def scenario():
        async with (
            shared_watcher("c", make) as one,
            shared_watcher("c", make) as two,
            shared_watcher("d", make) as other,
        ):
            assert one is two
            assert one is not other
        async with shared_watcher("c", make) as again:
            assert again is not one

    asyncio.run(scenario())
    assert len(made) == 3
