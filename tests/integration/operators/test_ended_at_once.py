"""Triggers that Airflow's trigger runner cancels repeatedly, against the real service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from airflow.jobs import triggerer_job_runner
from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.triggers.base import BaseTrigger

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.task_runs import wait_for_training
from airflow_dlaas.triggers import model
from airflow_dlaas.triggers.model import TrainModelTrigger
from tests.conftest import ServiceProcess
from tests.fault_proxy import FaultProxy, SendReply, Slow, StallRequest
from tests.integration.operators.conftest import FakeTaskInstance
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore")  # Airflow's modules for a triggerer warn of themselves

PERIOD = 0.05
"""Seconds between two cancellations; in Airflow's triggerer it is about one second."""


@pytest.fixture(autouse=True)
def _short_drain_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy forwards no WebSocket, so there is no log to wait for."""
    monkeypatch.setattr(wait_for_training, "LOG_DRAIN_TIMEOUT", 0.1)


@pytest.fixture(autouse=True)
def _long_cancel_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cancel of a training ends with the event loop, which these tests end; it may take long under high load."""
    monkeypatch.setattr(model, "CANCEL_WAIT_TIMEOUT", 240.0)


Maker = Callable[[str], TrainModelTrigger]


@pytest.fixture
def trigger(task: Any) -> Maker:
    """Make the trigger of a new task, from its serialization."""

    def make(command: str) -> TrainModelTrigger:
        from airflow.sdk.exceptions import TaskDeferred

        with pytest.raises(TaskDeferred) as deferred:
            task(command, deferrable=True).execute(FakeTaskInstance().context())
        _, given = deferred.value.trigger.serialize()
        return TrainModelTrigger(**json.loads(json.dumps(given)))

    return make


class Triggerer:
    """Airflow's trigger runner without its supervisor: it starts triggers and cancels them until they have ended."""

    def __init__(self, triggers: list[TrainModelTrigger]) -> None:
        self._runner = TriggerRunner()
        self._triggers = dict(enumerate(triggers, 1))

    def start(self) -> None:
        """Start all triggers."""
        for number, one in self._triggers.items():
            running = asyncio.create_task(self._runner.run_trigger(number, one))
            self._runner.triggers[number] = {"task": running, "is_watcher": False, "name": str(number), "events": 0}

    async def end(self) -> None:
        """Cancel all triggers, as Airflow does after a user has ended all their tasks at once."""
        while left := {number for number, one in self._runner.triggers.items() if not one["task"].done()}:
            self._runner.to_cancel.extend(left)
            await self._runner.cancel_triggers()
            await asyncio.sleep(PERIOD)


def of(client: Client, triggers: list[TrainModelTrigger]) -> list[Training]:
    keys = [one.key for one in triggers]
    listed = client.send(calls.list_trainings(limit=1000)).resources
    return [one for one in listed if any(key in one.entity.model_definition.description for key in keys)]


async def submitted(client: Client, triggers: list[TrainModelTrigger]) -> None:
    """Wait until the service has the trainings of all triggers."""
    await asyncio.to_thread(until, lambda: len(of(client, triggers)), lambda number: number == len(triggers))


def not_stopped(client: Client, triggers: list[TrainModelTrigger]) -> list[Training]:
    return [
        one
        for one in of(client, triggers)
        if one.state is not TrainingState.CANCELED and not one.status.cancel_requested
    ]


@pytest.mark.parametrize("number", [1, 4, 64])
def test_repeatedly_canceled_triggers_all_cancel_their_trainings(
    trigger: Maker, client: Client, service_proxy: FaultProxy, number: int
) -> None:
    """No request waits for the response of another: the service answers none before all have arrived."""
    triggers = [trigger("sleep 600") for _ in range(number)]

    async def ended() -> None:
        triggerer = Triggerer(triggers)
        triggerer.start()
        await submitted(client, triggers)
        service_proxy.on(StallRequest(0), method="PATCH", times=None)
        ending = asyncio.create_task(triggerer.end())
        await asyncio.to_thread(until, lambda: service_proxy.stalled, lambda stalled: stalled == number)
        service_proxy.calm()
        await ending

    asyncio.run(ended())
    assert not_stopped(client, triggers) == []


def test_on_an_airflow_without_on_kill_repeated_cancellations_cancel_every_training(
    trigger: Maker, client: Client, service_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 3.3, Airflow cancels a trigger without a message and calls nothing else."""
    monkeypatch.delattr(BaseTrigger, "on_kill")
    triggers = [trigger("sleep 600") for _ in range(4)]

    async def listen(one: TrainModelTrigger) -> None:
        async with aclosing(one.run()) as events:
            await anext(events)

    async def ended() -> None:
        running = [asyncio.create_task(listen(one)) for one in triggers]
        await submitted(client, triggers)
        service_proxy.on(Slow(40), method="PATCH", times=None)
        while left := [one for one in running if not one.done()]:
            for one in left:
                one.cancel()
            await asyncio.sleep(PERIOD)
        assert all(one.cancelled() for one in running)

    asyncio.run(ended())
    assert not_stopped(client, triggers) == []


def test_a_second_cancellation_before_on_kill_loses_no_cancel(
    trigger: Maker, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow first awaits its logger, in a small thread pool."""

    class SlowLogger:
        def info(self, *_: Any, **__: Any) -> None: ...

        async def ainfo(self, *_: Any, **__: Any) -> None:
            await asyncio.sleep(10 * PERIOD)

    monkeypatch.setattr(triggerer_job_runner.TriggerRunner, "log", SlowLogger())
    triggers = [trigger("sleep 600")]

    async def ended() -> None:
        triggerer = Triggerer(triggers)
        triggerer.start()
        await submitted(client, triggers)
        await triggerer.end()

    asyncio.run(ended())
    assert not_stopped(client, triggers) == []


def test_a_trigger_canceled_during_its_submission_cancels_the_training(
    trigger: Maker, client: Client, service_proxy: FaultProxy
) -> None:
    service_proxy.on(Slow(2000), method="POST", path="/v3/models", times=1)
    triggers = [trigger("sleep 600")]

    async def ended() -> None:
        triggerer = Triggerer(triggers)
        triggerer.start()
        await asyncio.to_thread(until, lambda: service_proxy.count(method="POST", path="/v3/models"))
        await triggerer.end()

    asyncio.run(ended())
    assert len(of(client, triggers)) == 1
    assert not_stopped(client, triggers) == []


def test_the_cancel_is_retried_after_the_trigger_has_ended_while_the_service_is_unavailable(
    trigger: Maker, client: Client, service_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "CANCEL_WAIT_TIMEOUT", 0.3)
    monkeypatch.setattr(model, "CANCEL_RETRY_INTERVAL", 0.1)
    triggers = [trigger("sleep 600")]

    async def ended() -> None:
        triggerer = Triggerer(triggers)
        triggerer.start()
        await submitted(client, triggers)
        service_proxy.on(SendReply(503), method="PATCH", times=None)
        await triggerer.end()
        assert len(not_stopped(client, triggers)) == 1
        service_proxy.calm()
        await asyncio.to_thread(until, lambda: not_stopped(client, triggers), lambda left: not left)

    asyncio.run(ended())


def test_a_cancel_with_an_old_password_is_retried_with_the_changed_connection(
    trigger: Maker,
    client: Client,
    service_proxy: FaultProxy,
    service: ServiceProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection was changed while the training ran."""
    monkeypatch.setattr(model, "CANCEL_RETRY_INTERVAL", 0.1)
    triggers = [trigger("sleep 600")]

    async def ended() -> None:
        triggerer = Triggerer(triggers)
        triggerer.start()
        await submitted(client, triggers)
        service_proxy.on(SendReply(401), times=None)
        monkeypatch.setenv("AIRFLOW_CONN_DLAAS_DEFAULT", json.dumps(service.connections()["dlaas_default"]))
        await triggerer.end()

    asyncio.run(ended())
    assert not_stopped(client, triggers) == []


def test_a_triggerer_that_shuts_down_cancels_no_training(trigger: Maker, client: Client) -> None:
    triggers = [trigger("sleep 600")]

    async def shut_down() -> None:
        Triggerer(triggers).start()
        await submitted(client, triggers)

    asyncio.run(shut_down())  # `asyncio.run` cancels all tasks, as a triggerer does at its end
    [left] = of(client, triggers)
    assert not left.state.is_final
    assert not left.status.cancel_requested
    client.send(calls.cancel_training(left.id))
