"""Which training a task's next training resumes, and that there is one all the same: against the real service."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import InvalidArgument, InvalidDefinition, TrainingFailed
from airflow_dlaas.operators.training import SubmitTrainingOperator
from airflow_dlaas.task_runs import wait_for_training
from airflow_dlaas.task_runs.trigger_events import parse_training_event
from tests.fault_proxy import FaultProxy, SendReply
from tests.integration.operators.conftest import FakeTaskInstance, deferral, fire, recreate_trigger
from tests.waiting import until

CLEARED = {"try_number": 2, "max_tries": 1, "clears": 1}
"""Airflow's counters after a clear of a task without retries that was tried once."""


@pytest.fixture(autouse=True)
def _short_drain_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy forwards no WebSocket, so there is no log to wait for."""
    monkeypatch.setattr(wait_for_training, "LOG_DRAIN_TIMEOUT", 0.1)


def resumed_from(client: Client, training_id: str) -> str | None:
    """Return the training that the definition of *training_id* names."""
    return client.send(calls.get_training_entity(training_id)).get("resume_from")


def ended(client: Client, training_id: str) -> Training:
    return until(lambda: client.send(calls.get_training(training_id)), lambda now: now.state.is_final)


def failed(task: Any, task_instance: FakeTaskInstance, **given: Any) -> str:
    """Let the training of the first try fail; return its id."""
    with pytest.raises(TrainingFailed):
        task("exit 3", **given).execute(task_instance.context())
    return task_instance.training_id


@pytest.mark.parametrize(("resume", "resumes"), [(False, False), (True, True), ("always", True)])
def test_the_try_after_a_failed_training_resumes_it_if_the_task_does(
    task: Any,
    client: Client,
    task_instance: FakeTaskInstance,
    capsys: pytest.CaptureFixture[str],
    resume: Any,
    resumes: bool,
) -> None:
    first = failed(task, task_instance, resume=resume)
    assert resumed_from(client, first) is None
    assert "The training resumes from" not in capsys.readouterr().out
    second = task("true", resume=resume).execute(task_instance.context(try_number=2))
    assert resumed_from(client, second) == (first if resumes else None)
    assert (f"The training resumes from training {first}" in capsys.readouterr().out) is resumes


def test_a_deferred_task_resumes_the_same_training_however_often_its_trigger_starts(
    task: Any, client: Client, task_instance: FakeTaskInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    first = failed(task, task_instance, resume=True)
    capsys.readouterr()
    deferred = deferral(task("true", resume=True, deferrable=True), task_instance.context(try_number=2))
    assert f"The training resumes from training {first}" in capsys.readouterr().out
    events = [fire(recreate_trigger(deferred)) for _ in range(2)]
    second, moved = (parse_training_event(event).id for event in events)
    assert second == moved
    assert resumed_from(client, second) == first


def test_a_try_after_the_death_of_the_worker_attaches_to_the_training_that_resumes(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    first = failed(task, task_instance, resume=True)
    left = task("true", resume=True)._prepare_training(task_instance.context(try_number=2)).submit()
    assert task("true", resume=True).execute(task_instance.context(try_number=3)) == left.id
    assert resumed_from(client, left.id) == first


def test_a_training_is_used_although_it_resumes_another_one_than_the_definition_names_now(
    task: Any, client: Client, task_instance: FakeTaskInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first try is repeated with its number after its worker was lost, and a template has another value then."""
    one, other = (task("true").execute(FakeTaskInstance().context()) for _ in range(2))
    left = task("true", resume_from=one)._prepare_training(task_instance.context()).submit()
    assert task("true", resume_from=other).execute(task_instance.context()) == left.id
    assert f"The definition has changed since training {left.id} was submitted" in capsys.readouterr().out
    assert resumed_from(client, left.id) == one


def test_the_named_training_counts_until_the_task_has_one_to_resume(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    named = task("true").execute(FakeTaskInstance().context())
    given = {"resume": True, "resume_from": named}
    first = failed(task, task_instance, **given)
    assert resumed_from(client, first) == named
    second = task("true", **given).execute(task_instance.context(try_number=2))
    assert resumed_from(client, second) == first


def test_without_resume_each_training_begins_with_the_named_one(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    named = task("true").execute(FakeTaskInstance().context())
    assert resumed_from(client, failed(task, task_instance, resume_from=named)) == named
    second = task("true", resume_from=named).execute(task_instance.context(try_number=2))
    assert resumed_from(client, second) == named


@pytest.mark.parametrize(
    ("resume", "tags", "resumes"),
    [(True, (), False), (True, ("resume",), True), ("always", (), True), (False, ("resume",), False)],
)
def test_after_a_clear_the_task_resumes_always_or_by_the_tag_of_the_training(
    task: Any, client: Client, task_instance: FakeTaskInstance, resume: Any, tags: tuple[str, ...], resumes: bool
) -> None:
    first = failed(task, task_instance, resume=resume)
    client.send(calls.annotate_training(first, Annotations(tags=tags)))
    second = task("true", resume=resume).execute(task_instance.context(**CLEARED))
    assert resumed_from(client, second) == (first if resumes else None)


def test_after_a_clear_a_completed_training_is_resumed_too(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    first = task("true", resume="always").execute(task_instance.context())
    second = task("true", resume="always").execute(task_instance.context(**CLEARED))
    assert (second != first, resumed_from(client, second)) == (True, first)


def test_after_a_clear_the_superseded_training_is_canceled_and_resumed(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    """The new one begins when it has ended, with its last checkpoint."""
    left = task("sleep 600", resume="always", kind=SubmitTrainingOperator)
    first = left.execute(task_instance.context())
    second = task("true", resume="always").execute(task_instance.context(**CLEARED))
    assert resumed_from(client, second) == first
    assert str(ended(client, first).state) == "canceled"


def test_a_completed_training_that_resumed_another_one_is_reused_after_a_clear(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    """Airflow lost the task; the definition names another training now, and none was stored."""
    failed(task, task_instance, resume="always")
    operator = task("exit 0", resume="always")
    lost = operator._prepare_training(task_instance.context(try_number=2, max_tries=1)).submit()
    ended(client, lost.id)
    cleared = task_instance.context(try_number=3, max_tries=2, clears=1)
    assert task("exit 0", resume="always").execute(cleared) == lost.id


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_service_that_cannot_resume_is_refused_in_the_first_try_before_anything_is_sent(
    task: Any, service_proxy: FaultProxy, task_instance: FakeTaskInstance, deferrable: bool
) -> None:
    service_proxy.on(SendReply(404), path="/v3/wml_instances", times=None)
    with pytest.raises(InvalidArgument, match=r"resume needs the key resume_from, which the service at http.* older"):
        task("true", resume=True, deferrable=deferrable).execute(task_instance.context())
    with pytest.raises(InvalidDefinition, match=r"resume_from: the service at .* does not know this key"):
        task("true", resume_from="training-1", deferrable=deferrable).execute(task_instance.context())
    assert service_proxy.count(method="POST", path="/v3/models") == 0
