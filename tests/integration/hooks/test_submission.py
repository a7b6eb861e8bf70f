"""
Submission creates exactly one training, also after a lost response, worker or server: against the real service.

Behind a proxy that hides its extensions, the service is like any v3 server.
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
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.contract.task_tag import TaskTag, with_task_tag
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
from tests.fault_proxy import FaultProxy, LoseReply, ResetRequest, SendReply
from tests.waiting import WAIT_TIMEOUT, until

FRAMEWORK = {"name": "tensorflow", "version": "test"}

logger = logging.getLogger(__name__)

HERE, THERE = "a" * 16, "e" * 16
"""The digests of two Airflows."""

Definer = Callable[[str], TrainingDefinition]


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture
def a_definition(service: ServiceProcess, client: Client, tmp_path: Path) -> Definer:
    """Make the definition of a training that runs a command; its experiment and its container exist."""
    known = service.connections()["swift_default"]
    connection = SwiftStoreConnection(
        auth_url=known["host"], user_id=known["login"], password=SecretStr(known["password"])
    )
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
def service_proxy(service: ServiceProcess) -> Iterator[FaultProxy]:
    """A proxy in front of the service that can inject errors."""
    with FaultProxy(service.connections()["dlaas_default"]["host"]) as proxy:
        yield proxy


@pytest.fixture(params=["ours", "foreign"])
def server(request: pytest.FixtureRequest, service: ServiceProcess, service_proxy: FaultProxy) -> Iterator[Client]:
    """The service as it is, and as a v3 server without our extensions."""
    if request.param == "foreign":
        service_proxy.on(SendReply(404), path="/v3/wml_instances", times=None)
    known = service.connections()["dlaas_default"]
    with Client(service_proxy.auth_url.rstrip("/"), known["login"], known["password"], timeout=(30, 60)) as opened:
        yield opened


@pytest.fixture
def run_key() -> RunKey:
    return RunKey(uuid4().hex, "b" * 12, airflow_digest=HERE, acknowledges=True)


def resolve(
    server: Client, run_key: RunKey, *, try_number: int, retry_failed: bool = True, **more: Any
) -> ResolvedTraining:
    search = TrainingSearch(
        run_key, current_try=TaskTry(try_number), since=None, retry_failed=retry_failed, v1_key=more.pop("v1_key", None)
    )
    return fetch_and_resolve(server, search, logger, **more)


def try_task(
    server: Client, definition: TrainingDefinition, run_key: RunKey, *, try_number: int, **more: Any
) -> Training:
    """Find or submit the training, as a try of a task does."""
    resolved = resolve(server, run_key, try_number=try_number, **more)
    return resolved.existing or submit_training(server, definition, resolved.run_key, since=None, logger=logger)


def of_task(client: Client, run_key: RunKey) -> list[Training]:
    """Return all trainings at the service with a key of the task."""
    found = [
        (RunKey.from_description(one.entity.model_definition.description), one)
        for one in client.send(calls.list_trainings(limit=1000)).resources
    ]
    return [one for read, one in found if read is not None and read.task_digest == run_key.task_digest]


def ended(client: Client, training: Training) -> Training:
    return until(lambda: client.send(calls.get_training(training.id)), lambda now: now.state.is_final)


def test_a_try_after_a_crash_attaches_to_the_running_training(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    definition = a_definition("sleep 600")
    first = try_task(server, definition, run_key, try_number=1)
    again = try_task(server, definition, run_key, try_number=2)
    client.send(calls.cancel_training(first.id))
    assert again.id == first.id
    assert again.entity.model_definition.description == f"As I wrote it. {run_key}"


def test_a_try_that_is_repeated_with_another_description_uses_its_training(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    """An upgrade adds a tag to the description while the worker of the first try is restarted."""
    definition = a_definition("sleep 600")
    first = try_task(server, definition, run_key, try_number=1)
    model = definition.model_definition
    tagged = model.model_copy(update={"description": with_task_tag(model.description, TaskTag("digits", "train"))})
    again = try_task(server, definition.model_copy(update={"model_definition": tagged}), run_key, try_number=1)
    client.send(calls.cancel_training(first.id))
    assert again.id == first.id
    assert len(of_task(client, run_key)) == 1


def test_a_try_after_a_failed_training_trains_again_once(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    definition = a_definition("exit 3")
    first = try_task(server, definition, run_key, try_number=1)
    assert ended(client, first).state is TrainingState.ERROR
    second = try_task(server, definition, run_key, try_number=2)
    assert second.id != first.id
    assert try_task(server, definition, run_key, try_number=2).id == second.id
    assert len(of_task(client, run_key)) == 2


def test_without_retry_failed_a_try_attaches_to_the_failed_training(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    first = try_task(server, a_definition("exit 3"), run_key, try_number=1)
    ended(client, first)
    known = resolve(server, run_key, try_number=2, retry_failed=False).existing
    assert known is not None
    assert known.id == first.id


def test_a_try_after_a_completed_training_does_not_train_again(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    """The worker died after the end of the training and before the end of the task."""
    definition = a_definition("true")
    first = try_task(server, definition, run_key, try_number=1)
    assert ended(client, first).state is TrainingState.COMPLETED
    assert try_task(server, definition, run_key, try_number=2).id == first.id


def test_a_try_does_not_attach_to_a_training_with_a_cancel_request(
    client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    definition = a_definition("trap 'sleep 3; exit 1' TERM; echo ready; while :; do sleep 0.1; done")
    first = try_task(client, definition, run_key, try_number=1)
    until(lambda: client.send(calls.get_training(first.id)).state, lambda state: state is TrainingState.RUNNING)
    client.send(calls.cancel_training(first.id))
    second = try_task(client, definition, run_key, try_number=2)
    client.send(calls.cancel_training(second.id))
    assert second.id != first.id


def test_the_try_after_a_failure_uses_the_changed_definition(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    ended(client, try_task(server, a_definition("exit 3"), run_key, try_number=1))
    second = try_task(server, a_definition("true"), run_key, try_number=2)
    assert ended(client, second).state is TrainingState.COMPLETED


def test_a_changed_definition_does_not_end_the_running_training(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    first = try_task(server, a_definition("sleep 600"), run_key, try_number=1)
    again = submit_training(server, a_definition("sleep 601"), run_key, since=None, logger=logger)
    client.send(calls.cancel_training(first.id))
    assert again.id == first.id


def test_after_a_clear_the_running_training_is_canceled_and_the_task_trains_again(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    definition = a_definition("sleep 600")
    left = try_task(server, definition, run_key, try_number=1)
    cleared = replace(run_key, generation="c" * 12, clear_number=1)
    new = try_task(server, definition, cleared, try_number=2)
    assert new.id != left.id
    assert ended(client, left).state is TrainingState.CANCELED
    assert not client.send(calls.get_training(new.id)).state.is_final
    client.send(calls.cancel_training(new.id))


def test_an_unreadable_training_fails_only_tries_of_its_generation(
    server: Client,
    client: Client,
    service_proxy: FaultProxy,
    a_definition: Definer,
    run_key: RunKey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    definition = a_definition("true")
    left = try_task(server, definition, run_key, try_number=1)
    assert ended(client, left).state is TrainingState.COMPLETED
    service_proxy.on(SendReply(200, body=b"{}"), method="GET", path=f"/v3/models/{left.id}", times=None)
    with pytest.raises(ProtocolError):
        resolve(server, run_key, try_number=2)
    cleared = replace(run_key, generation="c" * 12, clear_number=1)
    resolved = resolve(server, cleared, try_number=2, is_reusable=lambda _: True)
    assert (resolved.run_key, resolved.existing) == (cleared, None)
    assert f"Training {left.id} of an earlier run of this task cannot be read" in caplog.text


@pytest.mark.parametrize(("ours", "theirs"), [(HERE, THERE), (None, THERE), (HERE, None), (None, None)])
def test_two_airflows_with_one_user_and_equal_names_neither_cancel_nor_use_each_others_trainings(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey, ours: str | None, theirs: str | None
) -> None:
    """Their runs started at different times, and both tasks are in a later try."""
    definition = a_definition("sleep 600")
    one, other = replace(run_key, airflow_digest=ours), replace(run_key, airflow_digest=theirs, generation="c" * 12)
    first = try_task(server, definition, one, try_number=1)
    second = try_task(server, definition, other, try_number=2)
    assert first.id != second.id
    assert try_task(server, definition, one, try_number=2).id == first.id
    for training in (first, second):
        now = client.send(calls.get_training(training.id))
        assert not now.state.is_final
        assert not now.status.cancel_requested
        client.send(calls.cancel_training(training.id))


def test_two_airflows_with_runs_of_the_same_microsecond_train_both(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    definition = a_definition("sleep 600")
    first = try_task(server, definition, run_key, try_number=1)
    second = try_task(server, definition, replace(run_key, airflow_digest=THERE), try_number=2)
    assert first.id != second.id
    for training in (first, second):
        assert not client.send(calls.get_training(training.id)).status.cancel_requested
        client.send(calls.cancel_training(training.id))


# -- an upgrade while a training runs -----------------------------------------


@pytest.fixture
def earlier(run_key: RunKey) -> RunKey:
    """The key of form 1 of the same training, as an earlier release wrote it."""
    return RunKey.parse(f"{uuid4().hex}.{run_key.generation}.0")


def test_a_retry_after_an_upgrade_attaches_to_the_earlier_training(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey, earlier: RunKey
) -> None:
    before = try_task(server, a_definition("sleep 600"), earlier, try_number=1)
    resolved = resolve(server, run_key, try_number=2, v1_key=earlier)
    assert resolved.existing is not None
    assert (resolved.existing.id, resolved.run_key) == (before.id, earlier)
    # A task deferred before the upgrade submits, finds and cancels with the key that it stored.
    stored = RunKey.parse(earlier.idempotency_key)
    assert submit_training(server, a_definition("sleep 600"), stored, since=None, logger=logger).id == before.id
    found = find_training(server, stored, since=None)
    assert found is not None
    assert found.id == before.id
    cancel_by_key(server, stored, None, since=None, logger=logger)
    assert ended(client, before).state is TrainingState.CANCELED


def test_a_retry_after_an_upgrade_and_a_failure_has_the_next_number(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey, earlier: RunKey
) -> None:
    ended(client, try_task(server, a_definition("exit 3"), earlier, try_number=1))
    second = try_task(server, a_definition("true"), run_key, try_number=2, v1_key=earlier)
    assert RunKey.from_description(second.entity.model_definition.description) == earlier.next_training


def test_after_an_upgrade_and_a_clear_the_task_trains_again(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey, earlier: RunKey
) -> None:
    """It cancels nothing: a key of form 1 does not name its Airflow."""
    before = try_task(server, a_definition("sleep 600"), earlier, try_number=1)
    cleared = replace(run_key, generation="c" * 12, clear_number=1)
    new = try_task(server, a_definition("sleep 600"), cleared, try_number=2, v1_key=earlier)
    assert new.id != before.id
    for training in (before, new):
        assert not client.send(calls.get_training(training.id)).status.cancel_requested
        client.send(calls.cancel_training(training.id))


# ------------------------------------------------------------------------------


def test_a_lost_response_causes_no_second_training(
    server: Client, client: Client, service_proxy: FaultProxy, a_definition: Definer, run_key: RunKey
) -> None:
    service_proxy.on(LoseReply(), method="POST", path="/v3/models", times=2)
    training = try_task(server, a_definition("true"), run_key, try_number=1)
    assert [one.id for one in of_task(client, run_key)] == [training.id]


def test_a_request_that_never_arrived_counts_as_no_training(
    client: Client, server: Client, service_proxy: FaultProxy, a_definition: Definer, run_key: RunKey
) -> None:
    service_proxy.on(ResetRequest(1), method="POST", path="/v3/models", times=1)
    try:
        try_task(server, a_definition("true"), run_key, try_number=1)
    except Unreachable:
        assert of_task(client, run_key) == []
    try_task(server, a_definition("true"), run_key, try_number=2)
    assert len(of_task(client, run_key)) == 1


def test_the_next_try_finds_the_training_of_a_worker_that_died_after_its_request(
    server: Client, client: Client, service_proxy: FaultProxy, a_definition: Definer, run_key: RunKey
) -> None:
    """The first try receives no response, but the service has carried out its request."""
    definition = a_definition("true")
    service_proxy.on(LoseReply(), method="POST", path="/v3/models", times=None)
    service_proxy.on(
        SendReply(503), method="GET", path="/v3/models", times=None, skip=2
    )  # two requests to a foreign server come before
    first = threading.Thread(target=_try_task_and_fail, args=(server, definition, run_key), daemon=True)
    first.start()
    until(lambda: of_task(client, run_key))
    training = try_task(client, definition, run_key, try_number=2)
    assert [one.id for one in of_task(client, run_key)] == [training.id]
    service_proxy.calm()
    first.join(WAIT_TIMEOUT)
    assert [one.id for one in of_task(client, run_key)] == [training.id]


def _try_task_and_fail(server: Client, definition: TrainingDefinition, run_key: RunKey) -> None:
    try:
        try_task(server, definition, run_key, try_number=1)
    except DlaasError:
        return


def test_of_the_trainings_of_racing_workers_one_remains(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    definition = a_definition("sleep 600")
    got: list[str] = []

    def work() -> None:
        got.append(try_task(server, definition, run_key, try_number=1).id)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(WAIT_TIMEOUT)
    assert len(got) == len(workers)
    unfinished = [one for one in of_task(client, run_key) if not one.status.cancel_requested and not one.state.is_final]
    for one in unfinished:
        client.send(calls.cancel_training(one.id))
    assert [one.id for one in unfinished] == list(set(got))


def test_the_training_of_a_killed_task_is_found_by_its_key_and_canceled(
    server: Client, client: Client, a_definition: Definer, run_key: RunKey
) -> None:
    training = try_task(server, a_definition("sleep 600"), run_key, try_number=1)
    cancel_by_key(server, run_key, None, since=None, logger=logger)
    assert ended(client, training).state is TrainingState.CANCELED


def test_a_submission_in_progress_is_canceled_with_its_task(
    client: Client, a_definition: Definer, run_key: RunKey, caplog: pytest.LogCaptureFixture
) -> None:
    """The training did not exist at the cancel; when its request arrives, it is already canceled."""
    definition = a_definition("sleep 600")
    caplog.set_level(logging.INFO, logger=__name__)
    cancel_by_key(client, run_key, definition, since=None, logger=logger)
    messages = list(caplog.messages)
    late = submit_training(client, definition, run_key, since=None, logger=logger)
    assert ended(client, late).state is TrainingState.CANCELED
    assert messages == [f"Training {late.id} was canceled"]


def test_without_a_submission_there_is_nothing_to_cancel(
    server: Client, client: Client, run_key: RunKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=__name__)
    cancel_by_key(server, run_key, None, since=None, logger=logger)
    assert caplog.messages == [
        f"No training was submitted under key {run_key.idempotency_key}; there is nothing to cancel"
    ]
    assert of_task(client, run_key) == []


def test_an_invalid_definition_is_refused_without_retries(
    server: Client, a_definition: Definer, run_key: RunKey
) -> None:
    definition = a_definition("true")
    nowhere = definition.training_data[0].source.model_copy(update={"container": "no-such"})
    wrong = definition.training_data[0].model_copy(update={"source": nowhere})
    with pytest.raises(InvalidRequest, match="no-such"):
        try_task(server, definition.model_copy(update={"training_data": (wrong,)}), run_key, try_number=1)
    assert find_training(server, run_key, since=None) is None


def test_metric_definitions_are_sent_only_to_a_service_that_supports_them(
    service: ServiceProcess,
    server: Client,
    client: Client,
    a_definition: Definer,
    run_key: RunKey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    definition = a_definition("true").model_copy(
        update={"metric_definitions": (MetricDefinition(name="x", regex="(x)"),)}
    )
    training = submit_training(server, definition, run_key, since=None, logger=logger)
    where, token = service.connections()["dlaas_default"]["host"], client.token()
    echoed = requests.get(
        f"{where}/v3/models/{training.id}", headers={"Authorization": f"Bearer {token}"}, timeout=30
    ).json()
    knows = server.extensions.metric_definitions
    assert ("metric_definitions" in echoed["entity"]) is knows
    assert ("metric definitions" in caplog.text) is not knows
