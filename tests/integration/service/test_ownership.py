"""Two users of one real service: each cannot access the other's resources."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import Conflict, InvalidRequest
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer

PASSWORDS = {"ada": "ada-has-a-long-one", "bob": "bob-has-a-long-one"}
EXPERIMENTS = "/v3/ml_assets/experiments"
CANCEL = [{"op": "replace", "path": "/status/state", "value": "canceled"}]


@dataclass
class Person:
    """One user, with the client of this package and with plain requests."""

    customer: Customer
    url: str
    token: str

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=30, **options)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("owners")
    with closing(ServiceProcess(folder / "home", DLAAS_USERS=str(folder / "users"))) as process:
        for name, password in PASSWORDS.items():
            done = process.console("users", "add", name, stdin=password + "\n")
            assert (done.returncode, done.stdout) == (0, f"{name} may log in now\n"), done.stderr
        process.start()
        yield process


@pytest.fixture(scope="module")
def two_users(service: ServiceProcess) -> Iterator[tuple[Person, Person]]:
    url = service.connections()["dlaas_default"]["host"]
    clients = [Client(url, name, password) for name, password in PASSWORDS.items()]
    ada, bob = (Person(Customer(service, client), url, client.token()) for client in clients)
    yield ada, bob
    for client in clients:
        client.close()


@dataclass
class Resources:
    """Ada's resources: an experiment with a version, an ended, a running and a queued training."""

    experiment: str
    version: str
    location: str
    ended: str
    running: str

    @property
    def runs(self) -> tuple[str, str]:
        return self.ended, self.running


@pytest.fixture(scope="module")
def resources(two_users: tuple[Person, Person]) -> Iterator[Resources]:
    ada, _ = two_users
    location = ada.customer.code(main="print('ada')")
    ended = ada.customer.end(ada.customer.submit("echo a secret of ada; exit 3")).id
    running = ada.customer.submit("echo another secret; sleep 600")
    ada.customer.running(running)
    parts = urlsplit(location).path.split("/")
    yield Resources(parts[4], parts[6], location, ended, running)
    ada.customer.client.send(calls.cancel_training(running))
    ada.customer.end(running)


def test_all_routes_answer_404_for_resources_of_another_user(
    two_users: tuple[Person, Person], resources: Resources
) -> None:
    ada, bob = two_users
    experiment, version = f"{EXPERIMENTS}/{resources.experiment}", f"{EXPERIMENTS}/{resources.experiment}/versions"
    zipped = ada.ask("GET", f"{experiment}/content").content
    asked = [
        ("GET", experiment, {}),
        ("POST", experiment, {"json": {}}),
        ("DELETE", experiment, {}),
        ("GET", f"{experiment}/content", {}),
        ("HEAD", f"{experiment}/content", {}),
        ("GET", version, {}),
        ("GET", f"{version}/{resources.version}", {}),
        ("GET", f"{version}/{resources.version}/content", {}),
        ("HEAD", f"{version}/{resources.version}/content", {}),
        *(
            ("GET", f"/v3/models/{one}/{what}", {})
            for one in resources.runs
            for what in ("metrics", "usage", "log", "log/search?text=secret")
        ),
        ("PUT", f"{version}/{resources.version}/content", {"data": zipped}),
        *(("GET", f"/v3/models/{one}", {}) for one in resources.runs),
        *(("PATCH", f"/v3/models/{one}", {"json": CANCEL}) for one in resources.runs),
        *(("PATCH", f"/v3/models/{one}", {"json": []}) for one in resources.runs),
        *(("PUT", f"/v3/models/{one}/acknowledgement", {}) for one in resources.runs),
        *(("PUT", f"/v3/models/{one}/annotations", {"json": {"note": "mine"}}) for one in resources.runs),
        *(("PUT", f"/v3/models/{one}/annotations", {"json": 5}) for one in resources.runs),
        *(("DELETE", f"/v3/models/{one}", {}) for one in resources.runs),
    ]
    for method, path, options in asked:
        # An unknown id gets the same error: the response does not reveal that this id exists.
        strange = path.replace(resources.experiment, "0" * 36).replace(resources.version, "1" * 36)
        for one in resources.runs:
            strange = strange.replace(one, "training-000000000")
        reply, unknown = (bob.ask(method, where, **options) for where in (path, strange))
        assert (reply.status_code, unknown.status_code) == (404, 404), (method, path)
        if method != "HEAD":
            actual, expected = reply.json()["errors"][0], unknown.json()["errors"][0]
            for one, other in (
                (resources.experiment, "0" * 36),
                (resources.version, "1" * 36),
                *((run, "training-000000000") for run in resources.runs),
            ):
                actual["message"] = actual["message"].replace(one, other)
            assert actual == expected, (method, path)
    # The resources have not changed.
    assert ada.ask("GET", f"{experiment}/content").content == zipped
    assert ada.customer.training(resources.running).state is TrainingState.RUNNING
    assert ada.customer.training(resources.ended).state is TrainingState.ERROR


def test_all_routes_are_covered_by_the_ownership_tests(two_users: tuple[Person, Person]) -> None:
    _, bob = two_users
    paths = bob.ask("GET", "/openapi.json").json()["paths"]
    known = {
        f"{EXPERIMENTS}/{{experiment_id}}": {"get", "post", "delete"},
        f"{EXPERIMENTS}/{{experiment_id}}/content": {"get"},
        f"{EXPERIMENTS}/{{experiment_id}}/versions": {"get"},
        f"{EXPERIMENTS}/{{experiment_id}}/versions/{{version_id}}": {"get"},
        f"{EXPERIMENTS}/{{experiment_id}}/versions/{{version_id}}/content": {"get", "put"},
        "/v3/models/{training_id}": {"get", "patch", "delete"},
        "/v3/models/{training_id}/acknowledgement": {"put"},
        "/v3/models/{training_id}/annotations": {"put"},
        "/v3/models/{training_id}/usage": {"get"},
        "/v3/models/{training_id}/metrics": {"get"},
        "/v3/models/{training_id}/log": {"get"},
        "/v3/models/{training_id}/log/search": {"get"},
        "/v3/maintenance/cordons/{name}": {"put", "delete"},  # of the service's own user: see the tests of the API
    }
    assert {path: set(methods) for path, methods in paths.items() if "{" in path and "instance" not in path} == known


async def _listen(person: Person, training_id: str) -> int:
    url = person.url.replace("http", "ws", 1) + f"/v3/models/{training_id}/monitor"
    try:
        async with connect(url, additional_headers={"Authorization": f"Bearer {person.token}"}):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def test_log_stream_of_another_user_is_not_found(two_users: tuple[Person, Person], resources: Resources) -> None:
    ada, bob = two_users
    for one in resources.runs:
        assert asyncio.run(_listen(ada, one)) == 101
        assert asyncio.run(_listen(bob, one)) == 404


@pytest.mark.parametrize("spelling", ["{location}", "{location}/content", "{path}", "{experiment}"])
def test_code_of_another_user_is_refused_like_missing_code(
    two_users: tuple[Person, Person], resources: Resources, spelling: str
) -> None:
    _, bob = two_users
    where = spelling.format(
        location=resources.location,
        path=urlsplit(resources.location).path,
        experiment=f"{EXPERIMENTS}/{resources.experiment}",
    )
    messages = []
    for location in (where, where.replace(resources.experiment, "0" * 36)):
        definition = bob.customer.definition("true")
        definition["model_definition"]["definition_location"] = location
        reply = bob.ask("POST", "/v3/models", json=definition)
        assert (reply.status_code, reply.json()["errors"][0]["code"]) == (400, "C101")
        messages.append(reply.json()["errors"][0]["message"].replace(resources.experiment, "0" * 36))
    assert messages[0] == messages[1]


def test_lists_and_changes_contain_own_trainings_only(two_users: tuple[Person, Person], resources: Resources) -> None:
    ada, bob = two_users
    bobs_training = bob.customer.end(bob.customer.submit("true")).id
    for path in (EXPERIMENTS, "/v3/models", "/v3/models?after=0", "/v3/models?limit=1000"):
        actual = bob.ask("GET", path).text
        for one in (resources.experiment, resources.version, *resources.runs, '"ada"'):
            assert one not in actual, path
    assert bobs_training in bob.ask("GET", "/v3/models").text
    assert bobs_training not in ada.ask("GET", "/v3/models").text
    assert bob.ask("GET", f"/v3/models?start={resources.ended}").status_code == 400
    assert (
        bob.ask("GET", f"/v3/models?start={resources.ended}")
        .json()["errors"][0]["message"]
        .replace(resources.ended, "training-000000000")
        == bob.ask("GET", "/v3/models?start=training-000000000").json()["errors"][0]["message"]
    )


def test_long_poll_ignores_changes_of_another_user(two_users: tuple[Person, Person]) -> None:
    ada, bob = two_users
    cursor = bob.customer.client.send(calls.list_changes("now", 0)).cursor
    ada.customer.end(ada.customer.submit("true"))
    assert bob.customer.client.send(calls.list_changes(cursor, 1)).resources == ()


def test_idempotency_keys_of_two_users_are_independent(two_users: tuple[Person, Person]) -> None:
    ada, bob = two_users
    ids = []
    for person in two_users:
        definition = TrainingDefinition.parse(person.customer.definition("true"))
        ids += [person.customer.client.send(calls.create_training(definition, idempotency_key="k")).id for _ in "12"]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    other = TrainingDefinition.parse(bob.customer.definition("false"))
    with pytest.raises((Conflict, InvalidRequest)):
        bob.customer.client.send(calls.create_training(other, idempotency_key="k"))
    for person, one in ((ada, ids[0]), (bob, ids[2])):
        person.customer.end(one)


def test_queue_position_is_the_only_trace_of_other_users(two_users: tuple[Person, Person]) -> None:
    ada, bob = two_users
    first = ada.customer.submit("sleep 600", "large")
    second = ada.customer.submit("true", "large")
    third = bob.customer.submit("true", "large")
    try:
        actual = bob.ask("GET", f"/v3/models/{third}").json()["entity"]["status"]
        assert actual["queue_position"] >= 1
        known = {"state", "submitted_at", "current_at", "metrics", "phase", "phases", "queue_position", "runtime"}
        known |= {"resources", "attempt"}  # its own
        assert set(actual) <= known
        assert first not in json.dumps(actual)
    finally:
        ada.customer.client.send(calls.cancel_training(first))
    for person, one in ((ada, first), (ada, second), (bob, third)):
        person.customer.end(one)


def test_instance_document_contains_no_counts(two_users: tuple[Person, Person], resources: Resources) -> None:
    ada, bob = two_users
    bobs, adas = (person.ask("GET", "/v3/wml_instances/any").json() for person in (bob, ada))
    assert bobs == adas
    assert bobs["entity"]["usage"] == {}
