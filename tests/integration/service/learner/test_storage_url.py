"""A login may answer differently once a training runs: the learner calls no host that the site does not allow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.object_store_allowlist import ObjectStoreAllowlist
from tests.redirector import Server, serving


@pytest.fixture
def thief() -> Iterator[Server]:
    with serving(Server("127.0.0.2")) as server:
        yield server


@pytest.fixture
def login(thief: Server) -> Iterator[Server]:
    """A login that names a storage URL on another host."""
    headers = {"X-Storage-Url": f"{thief.url}/v1/AUTH_a", "X-Auth-Token": "a-token"}
    with serving(Server(headers=headers)) as server:
        yield server


def allowed(*urls: str) -> ObjectStoreAllowlist:
    return ObjectStoreAllowlist.parse(",".join(urlsplit(one).netloc for one in urls))


def with_login(job: Any, field: str, login: Server) -> None:
    """Have *field* of the job's definition log in there."""
    definition = json.loads(job.folder.secrets.read_text())
    places = definition["training_data"] if field == "training_data" else [definition["training_results"]]
    places[0]["connection"] = {"auth_url": f"{login.url}/auth/v1.0", "userId": "a:u", "password": "p4ssw0rd"}
    job.folder.secrets.write_text(json.dumps(definition))


@pytest.mark.parametrize(("field", "code"), [("training_data", "S302"), ("training_results", "S303")])
def test_disallowed_storage_host_gets_no_token_and_no_data(
    job: Any, login: Server, thief: Server, field: str, code: str
) -> None:
    job.put("numbers.txt", b"1 2 3\n")
    job.prepare("echo it ran", object_stores=allowed(job.connection.auth_url, login.url))
    with_login(job, field, login)
    job.runner.start(job.folder)
    ended = job.end()
    assert (ended.state, ended.code) == (TrainingState.ERROR, code)
    assert f"adds {urlsplit(thief.url).netloc} to DLAAS_OBJECT_STORES" in (ended.reason or "")
    assert thief.asked == []
    assert login.asked != []


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize(("field", "code"), [("training_data", "S302"), ("training_results", "S303")])
def test_redirected_login_reaches_no_disallowed_host(
    job: Any, login: Server, thief: Server, field: str, code: str, status: int
) -> None:
    job.prepare("echo it ran")
    login.target, login.status = thief.url, status
    with_login(job, field, login)
    job.runner.start(job.folder)
    ended = job.end()
    assert (ended.state, ended.code) == (TrainingState.ERROR, code)
    assert f"{login.url} redirects to {thief.url}" in (ended.reason or "")
    assert thief.asked == []


def test_allowed_storage_host_is_used(job: Any) -> None:
    job.put("numbers.txt", b"1 2 3\n")
    ended = job.run("cat numbers.txt", object_stores=allowed(job.connection.auth_url))
    assert ended.state is TrainingState.COMPLETED
    assert "1 2 3" in job.folder.log.read_text()
