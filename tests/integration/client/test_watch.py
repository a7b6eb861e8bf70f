from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing

import pytest

from airflow_dlaas.client import asking
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.watch import Watch, shared
from airflow_dlaas.errors import Misunderstood, NotFound, Unauthenticated
from tests.integration.client.conftest import Answer, Request, Service, instance, refuse, say, training

IDS = [f"training-{n}" for n in range(20)]


class Trainings(Service):
    """A small service of ours, or a foreign one: what it holds, a test changes."""

    def __init__(self) -> None:
        super().__init__()
        self.extended = True
        self.held: dict[str, tuple[str, int]] = {}
        self.revision = 0

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
        end = time.monotonic() + min(int(asked["wait"]), 5)
        while time.monotonic() < end and self.revision == after:
            time.sleep(0.005)
        with self.lock:
            changed = [training(one, state) for one, (state, at) in self.held.items() if at > after]
            return say({"resources": changed, "cursor": str(self.revision)})


@pytest.fixture
def service(monkeypatch):
    import threading

    monkeypatch.setattr(asking, "_SPACING", 0.01)
    service = Trainings()
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


async def states(watch: Watch, id: str, first: asyncio.Event | None = None) -> list[str]:
    """Wait for the end of training *id*; its states. The first one sets *first*."""
    seen = []
    async with aclosing(watch.states(id)) as found:
        async for one in found:
            seen.append(str(one.state))
            if first is not None:
                first.set()
    return seen


def test_many_who_wait_cost_one_question_at_a_time(service, client):
    async def scene():
        for one in IDS:
            service.put(one, "running")
        watch = Watch(client)
        begun = [asyncio.Event() for _ in range(5 * len(IDS))]
        waits = [asyncio.create_task(states(watch, one, first)) for one, first in zip(IDS * 5, begun, strict=True)]
        await asyncio.gather(*(first.wait() for first in begun))
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
        begin = say({"resources": [], "cursor": "1"})
        begin.delay = 0.3
        service.script["/v3/models"] = [begin, say({"resources": [], "cursor": "1"})]
        await Watch(client).changed("training-1")

    asyncio.run(scene())
    assert len(service.asked("/v3/models")) == 2  # listening already
    assert service.seen[-1].path != "/v3/models?after=now&wait=0"


def test_a_change_is_heard_at_once(service, client):
    async def scene():
        service.put("training-1", "running")
        watch = Watch(client)
        async with aclosing(watch.states("training-1")) as found:
            await anext(found)
            await asyncio.sleep(0.1)
            service.put("training-1", "completed")
            told = time.monotonic()
            assert str((await anext(found)).state) == "completed"
            return time.monotonic() - told

    assert asyncio.run(scene()) < 0.3


def test_a_foreign_service_is_asked_for_the_list_at_an_interval(service, client):
    async def scene():
        service.extended = False
        for one in IDS:
            service.put(one, "running")
        watch = Watch(client, interval=0.1)
        waits = [asyncio.create_task(states(watch, one)) for one in IDS]
        await asyncio.sleep(0.55)
        for one in IDS:
            service.put(one, "error")
        return await asyncio.gather(*waits)

    assert asyncio.run(scene()) == [["running", "error"]] * 20
    assert 4 <= len(service.asked("/v3/models")) <= 9
    assert not [one for one in service.seen if one.path.startswith("/v3/models/")]


def test_one_alone_at_a_foreign_service_is_asked_for_by_id(service, client):
    async def scene():
        service.extended = False
        service.put("training-1", "completed")
        return await states(Watch(client), "training-1")

    assert asyncio.run(scene()) == ["completed"]
    assert service.asked("/v3/models") == []


@pytest.mark.parametrize("extended", [True, False])
def test_a_training_that_is_not_there_ends_its_own_wait_only(service, client, extended):
    async def scene():
        service.extended = extended
        service.put("training-1", "running")
        watch = Watch(client, interval=0.05)
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
        watch = Watch(client, interval=0.05)
        waits = [asyncio.create_task(states(watch, one)) for one in IDS[:4]]
        await asyncio.sleep(0.2)
        service.put("training-0", "paused")
        service.put("training-19", "paused")  # for which there is no wait
        with pytest.raises(Misunderstood, match="state"):
            await asyncio.wait_for(waits[0], 5)
        for one in IDS[1:4]:
            service.put(one, "completed")
        return await asyncio.gather(*waits[1:])

    assert asyncio.run(scene()) == [["running", "completed"]] * 3
    assert "looking instead" not in caplog.text


def test_a_service_that_is_away_ends_no_wait(service, client, monkeypatch):
    monkeypatch.setattr(asking, "PATIENCE", asking.Retries(first=0.05, longest=0.1))

    async def scene():
        service.put("training-1", "running")
        watch = Watch(client, interval=0.05)
        wait = asyncio.create_task(states(watch, "training-1"))
        await asyncio.sleep(0.2)
        bad = [Answer(hang_up=True), Answer(502, b"<html>"), refuse(429, "rate_limit_exceeded"), Answer(503)]
        service.script["/v3/models"] = [*bad, *bad, *bad, refuse(503, "underlying_api_error")]
        service.put("training-2", "pending")  # ends the question under way
        await asyncio.sleep(0.5)
        assert len(service.asked("/v3/models")) > 4
        assert not wait.done()
        assert "Nothing is heard from" in (watch.trouble or "")
        del service.script["/v3/models"]
        service.put("training-1", "completed")
        seen = await wait
        assert watch.trouble is None
        return seen

    assert asyncio.run(scene()) == ["running", "completed"]


def test_what_waiting_cannot_cure_ends_every_wait(service, client):
    async def scene():
        service.script["/v3/identity/token"] = [refuse(401, "invalid_authorization_token")]
        watch = Watch(client)
        return await asyncio.gather(*(states(watch, one) for one in IDS), return_exceptions=True)

    assert {type(one) for one in asyncio.run(scene())} == {Unauthenticated}


def test_leaving_disturbs_nobody_and_the_last_one_turns_off_the_light(service, client):
    async def scene():
        service.put("training-1", "running")
        watch = Watch(client)
        stays, leaves = (asyncio.create_task(states(watch, "training-1")) for _ in range(2))
        await asyncio.sleep(0.2)
        leaves.cancel()
        await asyncio.sleep(0.05)
        assert not stays.done()
        service.put("training-1", "completed")
        assert await stays == ["running", "completed"]
        await asyncio.sleep(0.05)
        return [task.get_name() for task in asyncio.all_tasks()]

    assert len(asyncio.run(scene())) == 1


def test_nobody_waits_for_a_question_that_nobody_asks_any_more(service, client):
    async def scene():
        service.put("training-1", "running")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(states(Watch(client), "training-1"), 0.3)

    begun = time.monotonic()
    asyncio.run(scene())  # the service answers after 5 s
    assert time.monotonic() - begun < 2


def test_a_watch_can_be_used_again(service, client):
    async def scene():
        watch = Watch(client)
        service.put("training-1", "running")
        first = await watch.changed("training-1")
        waiting = asyncio.create_task(watch.changed("training-1", first))
        await asyncio.sleep(0.2)
        service.put("training-1", "completed")
        second = await waiting
        return first, second, await watch.changed("training-1", second)

    first, second, third = asyncio.run(scene())
    assert (str(first.state), str(second.state)) == ("running", "completed")
    assert third is second


def test_a_service_whose_changes_are_none_is_looked_at(service, client):
    async def scene():
        for one in IDS[:2]:
            service.put(one, "running")
        service.script["/v3/models"] = [say({"resources": [training(one, "completed") for one in IDS[:2]]})]
        watch = Watch(client, interval=0.05)
        return await asyncio.gather(*(states(watch, one) for one in IDS[:2]))

    assert asyncio.run(scene()) == [["completed"]] * 2


def test_a_service_that_does_not_wait_is_not_hammered(service, client):
    async def scene():
        service.put("training-1", "running")
        nothing = Answer(200, json.dumps({"resources": [], "cursor": "1"}).encode())
        service.script["/v3/models"] = [nothing]
        wait = asyncio.create_task(states(Watch(client), "training-1"))
        await asyncio.sleep(1.5)
        wait.cancel()

    asyncio.run(scene())
    assert len(service.asked("/v3/models")) <= 4


def test_all_who_share_a_key_share_a_watch_until_the_last_leaves(service):
    made: list[Client] = []

    def make() -> Client:
        made.append(Client(service.url, "u", "p"))
        return made[-1]

    async def scene():
        async with shared("c", make) as one, shared("c", make) as two, shared("d", make) as other:
            assert one is two
            assert one is not other
        async with shared("c", make) as again:
            assert again is not one

    asyncio.run(scene())
    assert len(made) == 3
