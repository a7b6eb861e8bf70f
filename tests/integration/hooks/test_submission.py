"""
One training, whatever becomes of the answer, the worker or the server: against the real service.

Behind a proxy that hides its extensions, it is what any v3 server is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from pydantic import SecretStr

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.metric_definition import MetricDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError, InvalidRequest, ProtocolError, Unreachable
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.task_runs.cancel_by_key import cancel_by_key
from airflow_dlaas.task_runs.resolve import ResolvedTraining
from airflow_dlaas.task_runs.run_key import RunKey, TaskTry
from airflow_dlaas.task_runs.search import TrainingSearch, fetch_and_resolve, find_training
from airflow_dlaas.task_runs.submit import submit_training
from tests.conftest import ServiceProcess
from tests.troublemaker import LoseReply, ResetRequest, Say, Troublemaker
from tests.waiting import PATIENCE, until

FRAMEWORK = {"name": "tensorflow", "version": "test"}

logger = logging.getLogger(__name__)

HERE, THERE = "a" * 16, "e" * 16
"""Two Airflows."""

Definer = Callable[[str], TrainingDefinition]


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture
def a_definition(service: ServiceProcess, client: Client, tmp_path: Path) -> Definer:
    """A definition that runs a command, its experiment and its container."""
    known = service.connections()["swift_default"]
    connection = StoreConnection(auth_url=known["host"], user_id=known["login"], password=SecretStr(known["password"]))
    with SwiftStore.open(connection) as store:
        store.create_container("submission")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("")
    draft = ExperimentDraft.model_validate({"name": "submission", "framework": FRAMEWORK})
    version = client.send(calls.create_experiment(draft)).entity.experiment_version
    client.send(calls.put_content(client.path_from_url(version.content_url), archive.pack(tmp_path / "code")))

    def make(command: str) -> TrainingDefinition:
        return TrainingDefinition.parse(
            {
                "model_definition": {
                    "name": "submission",
                    "description": "As I wrote it.",
                    "definition_location": client.path_from_url(version.url),
                    "framework": FRAMEWORK,
                    "execution": {"command": command, "resourceType": "small"},
                },
                "training_data": [
                    {
                        "connection": connection,
                        "source": {"container": "submission", "type": "softlayer_objectstore"},
                    }
                ],
            }
        )

    return make


@pytest.fixture
def way(service: ServiceProcess) -> Iterator[Troublemaker]:
    """A way to the service on which trouble may be met."""
    with Troublemaker(service.connections()["dlaas_default"]["host"]) as proxy:
        yield proxy


@pytest.fixture(params=["ours", "foreign"])
def server(request: pytest.FixtureRequest, service: ServiceProcess, way: Troublemaker) -> Iterator[Client]:
    """The service as it is, and as a v3 server that has none of our extensions."""
    if request.param == "foreign":
        way.on(Say(404), path="/v3/wml_instances", times=None)
    known = service.connections()["dlaas_default"]
    with Client(way.auth_url.rstrip("/"), known["login"], known["password"], timeout=(30, 60)) as opened:
        yield opened


@pytest.fixture
def tag() -> RunKey:
    return RunKey(uuid4().hex, "b" * 12, airflow_digest=HERE, acknowledges=True)


def begun(server: Client, tag: RunKey, *, try_number: int, retry_failed: bool = True, **more: Any) -> ResolvedTraining:
    search = TrainingSearch(
        tag, current_try=TaskTry(try_number), since=None, retry_failed=retry_failed, v1_key=more.pop("v1_key", None)
    )
    return fetch_and_resolve(server, search, logger, **more)


def tried(server: Client, definition: TrainingDefinition, tag: RunKey, *, try_number: int, **more: Any) -> Training:
    """What a try of a task does."""
    choice = begun(server, tag, try_number=try_number, **more)
    return choice.existing or submit_training(server, definition, choice.run_key, since=None, logger=logger)


def of_task(client: Client, tag: RunKey) -> list[Training]:
    """Every training at the service that carries the task's tag."""
    found = [
        (RunKey.from_description(one.entity.model_definition.description), one)
        for one in client.send(calls.list_trainings(limit=1000)).resources
    ]
    return [one for read, one in found if read is not None and read.task_digest == tag.task_digest]


def ended(client: Client, training: Training) -> Training:
    return until(lambda: client.send(calls.get_training(training.id)), lambda now: now.state.is_final)


def test_a_try_after_a_crash_finds_the_training_that_runs(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    definition = a_definition("sleep 600")
    first = tried(server, definition, tag, try_number=1)
    again = tried(server, definition, tag, try_number=2)
    client.send(calls.cancel_training(first.id))
    assert again.id == first.id
    assert again.entity.model_definition.description == f"As I wrote it. {tag}"


def test_a_try_after_a_failed_training_trains_anew_and_only_once(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    definition = a_definition("exit 3")
    first = tried(server, definition, tag, try_number=1)
    assert ended(client, first).state is TrainingState.ERROR
    second = tried(server, definition, tag, try_number=2)
    assert second.id != first.id
    assert tried(server, definition, tag, try_number=2).id == second.id
    assert len(of_task(client, tag)) == 2


def test_a_failed_training_is_found_again_where_the_author_wants_that(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    first = tried(server, a_definition("exit 3"), tag, try_number=1)
    ended(client, first)
    known = begun(server, tag, try_number=2, retry_failed=False).existing
    assert known is not None
    assert known.id == first.id


def test_a_try_after_a_completed_training_does_not_train_again(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    """The worker died between the training's end and the task's."""
    definition = a_definition("true")
    first = tried(server, definition, tag, try_number=1)
    assert ended(client, first).state is TrainingState.COMPLETED
    assert tried(server, definition, tag, try_number=2).id == first.id


def test_a_training_that_is_about_to_be_canceled_is_not_taken_up(
    client: Client, a_definition: Definer, tag: RunKey
) -> None:
    definition = a_definition("trap 'sleep 3; exit 1' TERM; echo ready; while :; do sleep 0.1; done")
    first = tried(client, definition, tag, try_number=1)
    until(lambda: client.send(calls.get_training(first.id)).state, lambda state: state is TrainingState.RUNNING)
    client.send(calls.cancel_training(first.id))
    second = tried(client, definition, tag, try_number=2)
    client.send(calls.cancel_training(second.id))
    assert second.id != first.id


def test_a_definition_that_was_mended_after_a_failure_is_what_the_next_try_trains(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    ended(client, tried(server, a_definition("exit 3"), tag, try_number=1))
    second = tried(server, a_definition("true"), tag, try_number=2)
    assert ended(client, second).state is TrainingState.COMPLETED


def test_a_definition_that_changed_under_a_running_training_leaves_it_running(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    first = tried(server, a_definition("sleep 600"), tag, try_number=1)
    again = submit_training(server, a_definition("sleep 601"), tag, since=None, logger=logger)
    client.send(calls.cancel_training(first.id))
    assert again.id == first.id


def test_a_clear_cancels_what_was_left_running_and_trains_anew(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    definition = a_definition("sleep 600")
    left = tried(server, definition, tag, try_number=1)
    cleared = replace(tag, generation="c" * 12, clear_number=1)
    new = tried(server, definition, cleared, try_number=2)
    assert new.id != left.id
    assert ended(client, left).state is TrainingState.CANCELED
    assert not client.send(calls.get_training(new.id)).state.is_final
    client.send(calls.cancel_training(new.id))


def test_a_training_that_cannot_be_read_stops_its_own_generation_only(
    server: Client,
    client: Client,
    way: Troublemaker,
    a_definition: Definer,
    tag: RunKey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    definition = a_definition("true")
    left = tried(server, definition, tag, try_number=1)
    assert ended(client, left).state is TrainingState.COMPLETED
    way.on(Say(200, body=b"{}"), method="GET", path=f"/v3/models/{left.id}", times=None)
    with pytest.raises(ProtocolError):
        begun(server, tag, try_number=2)
    cleared = replace(tag, generation="c" * 12, clear_number=1)
    choice = begun(server, cleared, try_number=2, is_reusable=lambda _: True)
    assert (choice.run_key, choice.existing) == (cleared, None)
    assert f"Training {left.id} of an earlier run of this task cannot be read" in caplog.text


@pytest.mark.parametrize(("ours", "theirs"), [(HERE, THERE), (None, THERE), (HERE, None), (None, None)])
def test_of_two_airflows_with_one_user_and_equal_names_none_cancels_or_takes_up_the_other_s(
    server: Client, client: Client, a_definition: Definer, tag: RunKey, ours: str | None, theirs: str | None
) -> None:
    """Their runs began at different moments, and both tasks are at a later try."""
    definition = a_definition("sleep 600")
    one, other = replace(tag, airflow_digest=ours), replace(tag, airflow_digest=theirs, generation="c" * 12)
    first = tried(server, definition, one, try_number=1)
    second = tried(server, definition, other, try_number=2)
    assert first.id != second.id
    assert tried(server, definition, one, try_number=2).id == first.id
    for training in (first, second):
        now = client.send(calls.get_training(training.id))
        assert not now.state.is_final
        assert not now.status.cancel_requested
        client.send(calls.cancel_training(training.id))


def test_two_airflows_whose_runs_began_in_the_same_microsecond_train_both(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    definition = a_definition("sleep 600")
    first = tried(server, definition, tag, try_number=1)
    second = tried(server, definition, replace(tag, airflow_digest=THERE), try_number=2)
    assert first.id != second.id
    for training in (first, second):
        assert not client.send(calls.get_training(training.id)).status.cancel_requested
        client.send(calls.cancel_training(training.id))


# -- an upgrade while a training is under way ---------------------------------


@pytest.fixture
def earlier(tag: RunKey) -> RunKey:
    """The tag of the same training as a release before this one spelled it."""
    return RunKey.parse(f"{uuid4().hex}.{tag.generation}.0")


def test_a_retry_after_an_upgrade_takes_up_the_training_of_before(
    server: Client, client: Client, a_definition: Definer, tag: RunKey, earlier: RunKey
) -> None:
    before = tried(server, a_definition("sleep 600"), earlier, try_number=1)
    choice = begun(server, tag, try_number=2, v1_key=earlier)
    assert choice.existing is not None
    assert (choice.existing.id, choice.run_key) == (before.id, earlier)
    # What was deferred before submits again, finds and ends under the key that it stored.
    stored = RunKey.parse(earlier.idempotency_key)
    assert submit_training(server, a_definition("sleep 600"), stored, since=None, logger=logger).id == before.id
    found = find_training(server, stored, since=None)
    assert found is not None
    assert found.id == before.id
    cancel_by_key(server, stored, None, since=None, logger=logger)
    assert ended(client, before).state is TrainingState.CANCELED


def test_a_retry_after_an_upgrade_and_a_failure_counts_on(
    server: Client, client: Client, a_definition: Definer, tag: RunKey, earlier: RunKey
) -> None:
    ended(client, tried(server, a_definition("exit 3"), earlier, try_number=1))
    second = tried(server, a_definition("true"), tag, try_number=2, v1_key=earlier)
    assert RunKey.from_description(second.entity.model_definition.description) == earlier.next_attempt


def test_a_clear_after_an_upgrade_trains_anew(
    server: Client, client: Client, a_definition: Definer, tag: RunKey, earlier: RunKey
) -> None:
    """And it ends nothing: a key of before does not say of which Airflow it is."""
    before = tried(server, a_definition("sleep 600"), earlier, try_number=1)
    cleared = replace(tag, generation="c" * 12, clear_number=1)
    new = tried(server, a_definition("sleep 600"), cleared, try_number=2, v1_key=earlier)
    assert new.id != before.id
    for training in (before, new):
        assert not client.send(calls.get_training(training.id)).status.cancel_requested
        client.send(calls.cancel_training(training.id))


# ------------------------------------------------------------------------------


def test_a_lost_answer_makes_no_second_training(
    server: Client, client: Client, way: Troublemaker, a_definition: Definer, tag: RunKey
) -> None:
    way.on(LoseReply(), method="POST", path="/v3/models", times=2)
    training = tried(server, a_definition("true"), tag, try_number=1)
    assert [one.id for one in of_task(client, tag)] == [training.id]


def test_a_request_that_never_arrived_is_not_taken_for_a_training(
    client: Client, server: Client, way: Troublemaker, a_definition: Definer, tag: RunKey
) -> None:
    way.on(ResetRequest(1), method="POST", path="/v3/models", times=1)
    try:
        tried(server, a_definition("true"), tag, try_number=1)
    except Unreachable:
        assert of_task(client, tag) == []
    tried(server, a_definition("true"), tag, try_number=2)
    assert len(of_task(client, tag)) == 1


def test_a_worker_that_died_after_its_request_left_is_found_out_by_the_next_try(
    server: Client, client: Client, way: Troublemaker, a_definition: Definer, tag: RunKey
) -> None:
    """The first try hears nothing more, whatever it would do; its request has been carried out."""
    definition = a_definition("true")
    way.on(LoseReply(), method="POST", path="/v3/models", times=None)
    way.on(Say(503), method="GET", path="/v3/models", times=None, skip=2)  # a foreign server is asked twice before
    first = threading.Thread(target=_to_no_avail, args=(server, definition, tag), daemon=True)
    first.start()
    until(lambda: of_task(client, tag))
    training = tried(client, definition, tag, try_number=2)
    assert [one.id for one in of_task(client, tag)] == [training.id]
    way.calm()
    first.join(PATIENCE)
    assert [one.id for one in of_task(client, tag)] == [training.id]


def _to_no_avail(server: Client, definition: TrainingDefinition, tag: RunKey) -> None:
    try:
        tried(server, definition, tag, try_number=1)
    except DlaasError:
        return


def test_of_two_racing_workers_one_training_remains(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    definition = a_definition("sleep 600")
    got: list[str] = []

    def work() -> None:
        got.append(tried(server, definition, tag, try_number=1).id)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(PATIENCE)
    assert len(got) == len(workers)
    unfinished = [one for one in of_task(client, tag) if not one.status.cancel_requested and not one.state.is_final]
    for one in unfinished:
        client.send(calls.cancel_training(one.id))
    assert [one.id for one in unfinished] == list(set(got))


def test_ending_a_task_cancels_its_training_under_whatever_name_it_has(
    server: Client, client: Client, a_definition: Definer, tag: RunKey
) -> None:
    training = tried(server, a_definition("sleep 600"), tag, try_number=1)
    cancel_by_key(server, tag, None, since=None, logger=logger)
    assert ended(client, training).state is TrainingState.CANCELED


def test_a_submission_under_way_cannot_slip_through_when_its_task_is_ended(
    client: Client, a_definition: Definer, tag: RunKey, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it was to be seen yet; when its request arrives at last, its training is canceled already."""
    definition = a_definition("sleep 600")
    caplog.set_level(logging.INFO, logger=__name__)
    cancel_by_key(client, tag, definition, since=None, logger=logger)
    messages = list(caplog.messages)
    late = submit_training(client, definition, tag, since=None, logger=logger)
    assert ended(client, late).state is TrainingState.CANCELED
    assert messages == [f"Training {late.id} was canceled"]


def test_where_nothing_was_submitted_nothing_is_canceled(
    server: Client, client: Client, tag: RunKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=__name__)
    cancel_by_key(server, tag, None, since=None, logger=logger)
    assert caplog.messages == [f"No training was submitted under key {tag.idempotency_key}; there is nothing to cancel"]
    assert of_task(client, tag) == []


def test_a_refused_definition_is_refused_at_once(server: Client, a_definition: Definer, tag: RunKey) -> None:
    definition = a_definition("true")
    nowhere = definition.training_data[0].source.model_copy(update={"container": "no-such"})
    wrong = definition.training_data[0].model_copy(update={"source": nowhere})
    with pytest.raises(InvalidRequest, match="no-such"):
        tried(server, definition.model_copy(update={"training_data": (wrong,)}), tag, try_number=1)
    assert find_training(server, tag, since=None) is None


def test_metric_definitions_go_to_those_who_know_them(
    service: ServiceProcess,
    server: Client,
    client: Client,
    a_definition: Definer,
    tag: RunKey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    definition = a_definition("true").model_copy(
        update={"metric_definitions": (MetricDefinition(name="x", regex="(x)"),)}
    )
    training = submit_training(server, definition, tag, since=None, logger=logger)
    where, token = service.connections()["dlaas_default"]["host"], client.token()
    echoed = requests.get(
        f"{where}/v3/models/{training.id}", headers={"Authorization": f"Bearer {token}"}, timeout=30
    ).json()
    knows = server.extensions.metric_definitions
    assert ("metric_definitions" in echoed["entity"]) is knows
    assert ("metric definitions" in caplog.text) is not knows
