from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from airflow_dlaas.client import training_poller
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.training_watcher import TrainingWatcher, shared_watcher
from airflow_dlaas.exceptions import NotFound, ProtocolError, Unauthenticated
from tests.integration.client.conftest import Answer, Request, Service, instance, refuse, say, training
from tests.waiting import PATIENCE

IDS = [f"training-{n}" for n in range(20)]


class Trainings(Service):
    """A small service of ours, or a foreign one: what it holds, a test changes."""

    def __init__(self) -> None:
        super().__init__()
        self.extended = True
        self.held: dict[str, tuple[str, int]] = {}
        self.revision = 0
        self.longest_poll = 5.0
        self.polls_waiting = 0

    def put(self, id: str, state: str) -> None:
        with self.lock:
            self.revision += 1
            self.held[id] = (state, self.revision)

    def answer(self, request: Request) -> Answer:
        path, _, query = request.path.partition("?")
        asked = dict(one.split("=") for one in query.split("&") if one)
        if path in self.script or path.startswith("/v3/identity"):
            return super().answer(request)
        with self.lock:
            self.seen.append(request)
        if path == "/v3/wml_instances/default":
            return say(instance(changes=True)) if self.extended else refuse(404, "not_found")
        if path != "/v3/models":
            held = self.held.get(path.rpartition("/")[2])
            return say(training(path.rpartition("/")[2], held[0])) if held else refuse(404, "not_found")
        if "wait" not in asked:
            return say({"resources": [training(one, state) for one, (state, _) in self.held.items()]})
        after = self.revision if asked["after"] == "now" else int(asked["after"])
        end = time.monotonic() + min(int(asked["wait"]), self.longest_poll)
        with self.lock:
            self.polls_waiting += 1
        while time.monotonic() < end and self.revision == after:
            time.sleep(0.005)
        with self.lock:
            self.polls_waiting -= 1
            changed = [training(one, state) for one, (state, at) in self.held.items() if at > after]
            return say({"resources": changed, "cursor": str(self.revision)})


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr(training_poller, "_MIN_POLL_INTERVAL", 0.01)
    service = Trainings()
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


async def states(watch: TrainingWatcher, id: str, first: asyncio.Event | None = None) -> list[str]:
    """Wait for the end of training *id*; its states. The first one sets *first*."""
    seen = []
    async with aclosing(watch.updates(id)) as found:
        async for one in found:
            seen.append(str(one.state))
            if first is not None:
                first.set()
    return seen


async def begin(watch: TrainingWatcher, *ids: str) -> list[asyncio.Task[list[str]]]:
    """Start one wait for each of *ids*; return when each has its first state."""
    first = [asyncio.Event() for _ in ids]
    waits = [asyncio.create_task(states(watch, one, event)) for one, event in zip(ids, first, strict=True)]
    await asyncio.wait_for(asyncio.gather(*(one.wait() for one in first)), PATIENCE)
    return waits


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until *condition* holds; fail with *what* when it does not within `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.01)


def test_many_who_wait_cost_one_question_at_a_time(service, client):
    async def scene():
        for one in IDS:
            service.put(one, "running")
        watch = TrainingWatcher(client)
        waits = await begin(watch, *IDS * 5)
        for one in IDS:
            service.put(one, "completed")
        return await asyncio.gather(*waits)

    assert asyncio.run(scene()) == [["running", "completed"]] * 100
    asked = [one.path for one in service.asked("/v3/models")]
    assert asked[0] == "/v3/models?after=now&wait=0"
    assert [one for one in asked if "wait" not in one] == ["/v3/models?limit=100"]
    assert len(asked) < 10
    assert not [one for one in service.seen if one.path.startswith("/v3/models/")]


def test_nothing_can_change_unheard_between_the_first_look_and_listening(service, client):
    async def scene():
        service.put("training-1", "running")
        cursor = say({"resources": [], "cursor": "1"})
        cursor.delay = 0.3
        service.script["/v3/models"] = [cursor, say({"resources": [], "cursor": "1"})]
        await TrainingWatcher(client).next_update("training-1")

    asyncio.run(scene())
    assert len(service.asked("/v3/models")) == 2  # listening already
    assert service.seen[-1].path != "/v3/models?after=now&wait=0"


def test_a_change_is_heard_with_the_question_that_is_waiting(service, client):
    async def scene():
        service.longest_poll = 600
        service.put("training-1", "running")
        async with aclosing(TrainingWatcher(client).updates("training-1")) as found:
            await anext(found)
            await until(lambda: service.polls_waiting == 1, "no long poll")
            asked = len(service.seen)
            service.put("training-1", "completed")
            assert str((await asyncio.wait_for(anext(found), PATIENCE)).state) == "completed"
            return [one.path for one in service.seen[asked:]]

    assert [one for one in asyncio.run(scene()) if "after=" not in one] == []


def test_a_foreign_service_is_asked_for_the_list_at_an_interval(service, client):
    async def scene():
        service.extended = False
        for one in IDS:
            service.put(one, "running")
        begun = time.monotonic()
        waits = await begin(TrainingWatcher(client, interval=0.1), *IDS)
        await until(lambda: len(service.asked("/v3/models")) >= 4, "not asked again")
        lasted = time.monotonic() - begun
        for one in IDS:
            service.put(one, "error")
        return lasted, await asyncio.gather(*waits)

    lasted, seen = asyncio.run(scene())
    assert seen == [["running", "error"]] * 20
    assert lasted > 0.25  # three intervals, less what rounding takes
    assert not [one for one in service.seen if one.path.startswith("/v3/models/")]


def test_one_alone_at_a_foreign_service_is_asked_for_by_id(service, client):
    async def scene():
        service.extended = False
        service.put("training-1", "completed")
        return await states(TrainingWatcher(client), "training-1")

    assert asyncio.run(scene()) == ["completed"]
    assert service.asked("/v3/models") == []


@pytest.mark.parametrize("extended", [True, False])
def test_a_training_that_is_not_there_ends_its_own_wait_only(service, client, extended):
    async def scene():
        service.extended = extended
        service.put("training-1", "running")
        watch = TrainingWatcher(client, interval=0.05)
        here, gone = (asyncio.create_task(states(watch, one)) for one in ("training-1", "training-2"))
        with pytest.raises(NotFound):
            await gone
        service.put("training-1", "canceled")
        return await here

    assert asyncio.run(scene()) == ["running", "canceled"]


@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("before", [True, False], ids=["from the beginning", "later"])
def test_a_training_that_cannot_be_read_ends_its_own_waits_only(service, client, extended, before, caplog):
    """Long polls go on; only the waits of the training itself end, with the reason."""

    async def scene():
        service.extended = extended
        for one in IDS[:4]:
            service.put(one, "running")
        if before:
            service.put("training-0", "paused")
        watch = TrainingWatcher(client, interval=0.05)
        if before:
            broken = asyncio.create_task(states(watch, IDS[0]))
            others = await begin(watch, *IDS[1:4])
        else:
            broken, *others = await begin(watch, *IDS[:4])
        service.put("training-0", "paused")
        service.put("training-19", "paused")  # for which there is no wait
        with pytest.raises(ProtocolError, match="state"):
            await asyncio.wait_for(broken, PATIENCE)
        for one in IDS[1:4]:
            service.put(one, "completed")
        return await asyncio.gather(*others)

    assert asyncio.run(scene()) == [["running", "completed"]] * 3
    assert "change feed" not in caplog.text


def test_a_service_that_is_away_ends_no_wait(service, client, monkeypatch):
    quick = replace(training_poller.POLL_RETRY, first_pause=0.05, max_pause=0.1)
    monkeypatch.setattr(training_poller, "POLL_RETRY", quick)

    async def scene():
        service.put("training-1", "running")
        watch = TrainingWatcher(client, interval=0.05)
        (wait,) = await begin(watch, "training-1")
        bad = [Answer(hang_up=True), Answer(502, b"<html>"), refuse(429, "rate_limit_exceeded"), Answer(503)]
        service.script["/v3/models"] = [*bad, *bad, *bad, refuse(503, "underlying_api_error")]
        service.put("training-2", "pending")  # ends the question under way
        await until(lambda: len(service.script["/v3/models"]) == 1, "not asked until the last answer")
        await until(lambda: "retrying in" in (watch.last_error or ""), "the trouble is not said")
        assert not wait.done()
        del service.script["/v3/models"]
        service.put("training-1", "completed")
        seen = await wait
        assert watch.last_error is None
        return seen

    assert asyncio.run(scene()) == ["running", "completed"]


def test_what_waiting_cannot_cure_ends_every_wait(service, client):
    async def scene():
        service.script["/v3/identity/token"] = [refuse(401, "invalid_authorization_token")]
        watch = TrainingWatcher(client)
        return await asyncio.gather(*(states(watch, one) for one in IDS), return_exceptions=True)

    assert {type(one) for one in asyncio.run(scene())} == {Unauthenticated}


def test_leaving_disturbs_nobody_and_the_last_one_turns_off_the_light(service, client):
    async def scene():
        service.put("training-1", "running")
        watch = TrainingWatcher(client)
        stays, leaves = await begin(watch, "training-1", "training-1")
        leaves.cancel()
        await asyncio.sleep(0.05)
        assert not stays.done()
        service.put("training-1", "completed")
        assert await stays == ["running", "completed"]
        await until(lambda: len(asyncio.all_tasks()) == 1, "a task goes on though nobody waits")

    asyncio.run(scene())


def test_nobody_waits_for_a_question_that_nobody_asks_any_more(service, client):
    async def scene():
        service.longest_poll = 600
        service.put("training-1", "running")
        (wait,) = await begin(TrainingWatcher(client), "training-1")
        await until(lambda: service.polls_waiting == 1, "no long poll")
        wait.cancel()

    asyncio.run(scene())
    assert service.polls_waiting == 1  # the event loop has ended, and the answer is still to come
    service.put("training-1", "completed")


def test_a_watch_can_be_used_again(service, client):
    async def scene():
        watch = TrainingWatcher(client)
        service.put("training-1", "running")
        first = await watch.next_update("training-1")
        waiting = asyncio.create_task(watch.next_update("training-1", first))
        await asyncio.sleep(0.2)
        service.put("training-1", "completed")
        second = await waiting
        return first, second, await watch.next_update("training-1", second)

    first, second, third = asyncio.run(scene())
    assert (str(first.state), str(second.state)) == ("running", "completed")
    assert third is second


def test_a_service_whose_changes_are_none_is_looked_at(service, client):
    async def scene():
        for one in IDS[:2]:
            service.put(one, "running")
        service.script["/v3/models"] = [say({"resources": [training(one, "completed") for one in IDS[:2]]})]
        watch = TrainingWatcher(client, interval=0.05)
        return await asyncio.gather(*(states(watch, one) for one in IDS[:2]))

    assert asyncio.run(scene()) == [["completed"]] * 2


def test_a_service_that_does_not_wait_is_not_hammered(service, client):
    async def scene():
        service.put("training-1", "running")
        nothing = Answer(200, json.dumps({"resources": [], "cursor": "1"}).encode())
        service.script["/v3/models"] = [nothing]
        begun = time.monotonic()
        wait = asyncio.create_task(states(TrainingWatcher(client), "training-1"))
        await asyncio.sleep(1.5)
        wait.cancel()
        return time.monotonic() - begun

    seconds = asyncio.run(scene())
    assert len(service.asked("/v3/models")) <= 3 + seconds / training_poller._MIN_IDLE_POLL_INTERVAL


def test_all_who_share_a_key_share_a_watch_until_the_last_leaves(service):
    made: list[Client] = []

    def make() -> Client:
        made.append(Client(service.url, "u", "p"))
        return made[-1]

    async def scene():
        async with (
            shared_watcher("c", make) as one,
            shared_watcher("c", make) as two,
            shared_watcher("d", make) as other,
        ):
            assert one is two
            assert one is not other
        async with shared_watcher("c", make) as again:
            assert again is not one

    asyncio.run(scene())
    assert len(made) == 3
