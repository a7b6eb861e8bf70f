"""The client with our own API and the real store, over a socket."""

from __future__ import annotations

import asyncio
import io
import threading
import time
import zipfile
from contextlib import aclosing

import pytest
import uvicorn

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.log_stream import follow_log
from airflow_dlaas.client.training_watcher import TrainingWatcher
from airflow_dlaas.contract.definition import Framework, TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import Conflict, InvalidRequest, NotFound, Unauthenticated
from airflow_dlaas.service.api.app import create_api
from airflow_dlaas.service.api.authentication import TokenAuthenticator
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.config.users import ServiceUser
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.object_store_allowlist import ObjectStoreAllowlist
from airflow_dlaas.service.store.blobs import BlobStore
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.sql import SqlStore
from tests.waiting import WAIT_TIMEOUT, until


class Catalogue:
    problem = None
    image_patterns = None

    def resolve(self, *_):
        return RuntimeSpec(key="tf", kind="venv", provides="TensorFlow")

    def list_runtimes(self):
        return (Runtime(framework="tensorflow", version="1.2-py3", provides="TensorFlow"),)


@pytest.fixture
def parts(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'store.db'}")
    (tmp_path / "jobs").mkdir()
    yield ApiDeps(
        store=store,
        blobs=BlobStore(tmp_path / "blobs"),
        jobs_dir=tmp_path / "jobs",
        catalogue=Catalogue(),
        gpu_slots=2,
        authenticator=TokenAuthenticator(ServiceUser("dlaas", "pass-word"), b"k" * 32, clock=utc_now),
        allowlist=ObjectStoreAllowlist.parse("store"),
        check_container=lambda *_: None,
        has_object=lambda *_: True,
        create_container=lambda *_: None,
        wake_dispatcher=lambda: None,
    )
    store.close()


@pytest.fixture
def url(parts):
    server = uvicorn.Server(
        uvicorn.Config(
            create_api(parts), port=0, log_level="warning", timeout_graceful_shutdown=1, ws="websockets-sansio"
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started or not thread.is_alive())
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(url):
    with Client(url, "dlaas", "pass-word") as client:
        yield client


def a_definition(location: str) -> TrainingDefinition:
    place = {"container": "digits", "type": "softlayer_objectstore"}
    store = {"auth_url": "http://store/auth/v1.0", "userId": "a:u", "password": "store-key"}
    return TrainingDefinition.parse(
        {
            "model_definition": {
                "name": "n",
                "definition_location": location,
                "framework": {"name": "tensorflow", "version": "1.2-py3"},
                "execution": {"command": "python3 net.py", "resourceType": "small"},
            },
            "training_data": [{"connection": store, "source": place}],
        }
    )


@pytest.fixture
def location(client) -> str:
    """Return the URL of a version that has code."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("net.py", "print(1)\n")
    draft = ExperimentDraft(name="digits", framework=Framework(name="tensorflow", version="1.2-py3"))
    version = client.send(calls.create_experiment(draft)).entity.experiment_version
    client.send(calls.put_content(client.path_from_url(version.content_url), archive.getvalue()))
    return version.url


def run(parts, id, lines):
    """Do the work of a dispatcher and a learner."""
    folder = parts.jobs_dir / id
    folder.mkdir()
    parts.store.reserve_gpus(id, ["virtual:0"], utc_now())
    parts.store.record_progress(id, TrainingState.RUNNING, Phase.PROCESSING, utc_now())
    with (folder / "log").open("a", encoding="utf-8") as log:
        for line in lines:
            log.write(line)
            log.flush()
            time.sleep(0.01)
    parts.store.finish(
        id, TrainingOutcome(state=TrainingState.COMPLETED, finished_at=utc_now(), exit_code=0, stored=True)
    )


def test_service_has_the_extensions_that_the_client_uses(client):
    assert client.extensions.changes
    assert client.extensions.idempotency_key
    assert client.send(calls.list_runtimes()).gpus == 2


def test_code_is_uploaded_and_downloaded(client, location, tmp_path):
    [experiment] = client.send(calls.list_experiments()).resources
    eid, version = experiment.metadata.guid, experiment.entity.experiment_version
    assert version.url == location
    path = client.send(calls.get_content(calls.content_path(eid), tmp_path / "back.zip"))
    assert zipfile.ZipFile(path).namelist() == ["net.py"]
    client.send(calls.add_version(eid))
    assert len(client.send(calls.list_versions(eid)).resources) == 2
    assert client.send(calls.get_version(eid, version.guid)).entity.experiment_version == version
    client.send(calls.delete_experiment(eid))
    with pytest.raises(NotFound):
        client.send(calls.get_experiment(eid))


def test_requests_with_one_key_create_one_training(client, location):
    call = calls.create_training(a_definition(location), idempotency_key="täglich/run-1")
    first = client.send(call)
    assert client.send(call).id == first.id
    assert [one.id for one in client.send(calls.list_trainings(5)).resources] == [first.id]
    with pytest.raises(Conflict):
        client.send(calls.delete_training(first.id))
    client.send(calls.cancel_training(first.id))
    assert client.send(calls.get_training(first.id)).state is TrainingState.CANCELED
    client.send(calls.delete_training(first.id))
    with pytest.raises(NotFound):
        client.send(calls.get_training(first.id))


def test_errors_arrive_with_their_class_and_code(client, url):
    with pytest.raises(InvalidRequest) as caught:
        client.send(calls.create_training(a_definition("http://evil/v3/x")))
    assert (caught.value.code, caught.value.target) == ("C101", "model_definition.definition_location")
    with Client(url, "dlaas", "wrong") as stranger, pytest.raises(Unauthenticated):
        stranger.send(calls.list_trainings())


def test_trainings_and_their_logs_are_followed_to_the_end(client, parts, location):
    lines = [f"step {n}: löss\n" for n in range(40)]

    async def watched(watcher, id, seen):
        """Return the states of a training; set *seen* at the first one."""
        found = []
        async with aclosing(watcher.updates(id)) as states:
            async for one in states:
                found.append(str(one.state))
                seen.set()
        return found

    async def followed(id, offset=0):
        async with aclosing(follow_log(client, id, offset=offset)) as frames:
            return [frame async for frame in frames]

    async def scenario():
        trainings = [client.send(calls.create_training(a_definition(location))) for _ in range(3)]
        watcher = TrainingWatcher(client)
        seen = [asyncio.Event() for _ in trainings]
        waits = [
            asyncio.create_task(watched(watcher, one.id, first)) for one, first in zip(trainings, seen, strict=True)
        ]
        logs = [asyncio.create_task(followed(one.id)) for one in trainings]
        await asyncio.wait_for(asyncio.gather(*(first.wait() for first in seen)), WAIT_TIMEOUT)
        await asyncio.gather(*(asyncio.to_thread(run, parts, one.id, lines) for one in trainings))
        states, frames = await asyncio.gather(*waits), await asyncio.gather(*logs)
        again = await followed(trainings[0].id, offset=len("".join(lines[:7]).encode()))
        return states, frames, again

    states, frames, again = asyncio.run(scenario())
    assert [one[0] for one in states] == ["pending"] * 3
    assert [one[-1] for one in states] == ["completed"] * 3
    logs_received = ["".join(frame.status.message or "" for frame in one) for one in (*frames, again)]
    assert logs_received == ["".join(lines)] * 3 + ["".join(lines[7:])]


def test_log_of_an_unknown_training_is_not_found(client):
    async def scenario():
        async with aclosing(follow_log(client, "training-000000000")) as frames:
            return [frame async for frame in frames]

    with pytest.raises(NotFound):
        asyncio.run(scenario())


def test_service_records_an_acknowledgement(client, parts, location):
    """Idempotent, because a lost response causes a retry; a `Conflict` before the training has completed."""
    assert client.extensions.acknowledgement
    made = client.send(calls.create_training(a_definition(location)))
    with pytest.raises(Conflict, match="pending"):
        client.send(calls.acknowledge_training(made.id))
    parts.store.finish(made.id, TrainingOutcome(TrainingState.COMPLETED, utc_now(), exit_code=0))
    client.send(calls.acknowledge_training(made.id))
    first = client.send(calls.get_training(made.id)).status.acknowledged_at
    client.send(calls.acknowledge_training(made.id))
    assert client.send(calls.get_training(made.id)).status.acknowledged_at == first is not None
