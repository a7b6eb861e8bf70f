"""Unreadable records and job files: they affect only their own training."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import UNREADABLE_RECORD, UnreadableTraining
from airflow_dlaas.exceptions import ProtocolError
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.tables import experiments, leases, trainings, versions
from tests.unit.service.api.conftest import make_zip

VALUES: tuple[Any, ...] = (
    *(None, "", "x", 5, -1, 2.5, 10**18, b"\xff\xfe\x00"),
    *("[]", "{}", "null", "[1]", '{"a": 1}', "{not json", '"\\ud800"', '{"model_definition": 5}', "[" * 3000),
    '{"model_definition": {"name": "n", "description": "\\ud800"}}',
    '{"code": "S100", "message": "\\ud800"}',
    *('{"model_definition": {"name": "\\ud800"}}', "9999-99-99", "9999-12-31 23:59:59.999999", "0001-01-01 00:00:00"),
)
"""Damaged values of a column: null, another type, invalid UTF-8, JSON of another form, no JSON."""


def damage(service, table: str, column: str, value: Any, where: str) -> bool:
    """Put *value* into a column; return False if the database refuses it."""
    path = service.deps.jobs_dir.parent / "store.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA busy_timeout = 10000")
        try:
            database.execute(f'update {table} set "{column}" = ? where {where}', (value,))  # noqa: S608
            database.commit()
        except sqlite3.IntegrityError:
            return False
    return True


def content(service, table: str, column: str, where: str) -> Any:
    with closing(sqlite3.connect(service.deps.jobs_dir.parent / "store.db")) as database:
        return database.execute(f'select "{column}" from {table} where {where}').fetchone()[0]  # noqa: S608


def ask_everything(service, damaged: str, good: str) -> None:
    """Send all kinds of requests while one training cannot be read."""
    client = service.client
    listed = client.get("/v3/models")
    assert listed.status_code == 200, listed.text
    assert good in [one.id for one in calls.list_trainings().parse(listed.content).resources]
    assert good in [one.metadata.guid for one in calls.list_training_summaries().parse(listed.content).resources]
    feed = client.get("/v3/models?after=0")
    assert feed.status_code == 200, feed.text
    changes = calls.list_changes("0", 0).parse(feed.content)
    assert good in [one.id for one in changes.resources]
    assert client.get(f"/v3/models?after={changes.cursor}").json()["resources"] == []
    one = client.get(f"/v3/models/{damaged}")
    assert one.status_code in {200, 404}, one.text
    assert client.get("/metrics").status_code == 200


def ask_for_parts(service, damaged: str, good: str) -> None:
    """Request curves and log of both trainings."""
    client = service.client
    for part in ("metrics", "usage", "log", "log/search?text=x"):
        assert client.get(f"/v3/models/{good}/{part}").status_code == 200
        assert client.get(f"/v3/models/{damaged}/{part}").status_code in {200, 404}


@pytest.fixture
def pair(service) -> tuple[str, str]:
    """A started and a queued training of one user."""
    first, second = service.submit(), service.submit()
    service.store.reserve_gpus(first, ["virtual:0"], service.clock())
    return first, second


@pytest.mark.parametrize("column", [column.name for column in trainings.c if column.name not in {"seq", "id"}])
def test_unreadable_column_affects_only_its_own_training(service, pair, column: str) -> None:
    for (damaged, good), values in ((pair, VALUES), (pair[::-1], VALUES[::6])):
        where = f"id = '{damaged}'"
        before = content(service, "trainings", column, where)
        for value in values:
            if damage(service, "trainings", column, value, where):
                ask_everything(service, damaged, good)
        damage(service, "trainings", column, before, where)
    resources = service.client.get("/v3/models").json()["resources"]
    assert [UNREADABLE_RECORD in str(one) for one in resources] == [False, False]


@pytest.mark.parametrize("column", [column.name for column in leases.c if column.name != "role"])
def test_unreadable_lease_counts_as_expired(service, pair, column: str) -> None:
    now = service.clock()
    service.store.acquire_lease("dispatcher", "other", now, now)
    for value in VALUES:
        if damage(service, "leases", column, value, "role = 'dispatcher'"):
            assert service.client.get("/metrics").status_code == 200
            assert service.store.acquire_lease("dispatcher", "me", now, now)


@pytest.mark.parametrize(
    ("table", "column"),
    [("experiments", column.name) for column in experiments.c if column.name in {"draft", "created_at"}]
    + [("versions", column.name) for column in versions.c if column.name not in {"id", "experiment_id"}],
)
def test_unreadable_experiment_does_not_hide_others(service, table: str, column: str) -> None:
    good, bad = service.experiment(), service.experiment()
    key = bad["metadata"]["guid"]
    where = f"{'id' if table == 'experiments' else 'experiment_id'} = '{key}'"
    for value in VALUES:
        if not damage(service, table, column, value, where):
            continue
        listed = service.client.get("/v3/ml_assets/experiments")
        assert listed.status_code == 200, listed.text
        found = calls.list_experiments().parse(listed.content)
        assert good["metadata"]["guid"] in [one.metadata.guid for one in found.resources]
        for path in (f"/{key}", f"/{key}/versions", f"/{good['metadata']['guid']}"):
            assert service.client.get(f"/v3/ml_assets/experiments{path}").status_code in {200, 404}
    assert service.client.delete(f"/v3/ml_assets/experiments/{key}").status_code == 204


@pytest.mark.parametrize("digest", ["", "x", 5, "../../store.db", b"\xff\xfe\x00"])
def test_invalid_digest_is_reported_as_lost_content(service, digest: Any) -> None:
    made = service.experiment(make_zip())
    key, version = made["metadata"]["guid"], made["entity"]["experiment_version"]
    definition = service.definition(model_definition__definition_location=version["url"])
    assert damage(service, "versions", "digest", digest, f"experiment_id = '{key}'")
    assert service.client.get(version["content_url"]).status_code == 404
    refused = service.client.post("/v3/models", json=definition)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "C102")
    assert service.client.put(version["content_url"], content=make_zip()).status_code == 200
    assert service.client.post("/v3/models", json=definition).status_code == 202


def test_unreadable_training_is_listed_with_its_reason_and_logged_once(
    service, pair, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, _ = pair
    damage(service, "trainings", "state", "paused", f"id = '{damaged}'")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            service.client.get("/v3/models")
            one = service.client.get(f"/v3/models/{damaged}")
    assert len([line for line in caplog.records if damaged in line.getMessage()]) <= 1
    shown = UnreadableTraining.model_validate(one.json())
    assert (shown.metadata.guid, str(shown.entity.status.state)) == (damaged, "running")
    assert "cannot read its record" in shown.entity.status.message
    assert "state" in shown.entity.status.message
    assert shown.entity.model_definition is not None
    assert shown.entity.model_definition.description == "tf-mnist with the handwritten digits"
    with pytest.raises(ProtocolError, match="cannot read its record of training"):
        calls.get_training(damaged).parse(one.content)


def test_unreadable_training_can_be_canceled_and_deleted(service, pair) -> None:
    _, waiting = pair
    damage(service, "trainings", "definition", "{not json", f"id = '{waiting}'")
    damage(service, "trainings", "state", "paused", f"id = '{waiting}'")
    patch = [{"op": "replace", "path": "/status/state", "value": "canceled"}]
    assert service.client.patch(f"/v3/models/{waiting}", json=patch).status_code == 204
    assert service.client.delete(f"/v3/models/{waiting}").status_code == 204
    assert waiting not in service.client.get("/v3/models").text


def test_final_state_replaces_an_unknown_state(service, pair) -> None:
    started, _ = pair
    damage(service, "trainings", "state", "paused", f"id = '{started}'")
    service.store.finish(started, TrainingOutcome(TrainingState.COMPLETED, service.clock(), exit_code=0))
    assert service.client.get(f"/v3/models/{started}").json()["entity"]["status"]["state"] == "completed"


def test_unknown_states_are_counted_separately(service, pair) -> None:
    damage(service, "trainings", "state", "paused", f"id = '{pair[0]}'")
    assert 'dlaas_trainings{state="unknown"} 1.0' in service.client.get("/metrics").text


FILES = (
    "exit.json",
    "run.json",
    "spec.json",
    "phase.json",
    "usage.json",
    "usage.jsonl",
    "resources.json",
    "boards.json",
    "data.json",
    "log",
    "metrics.jsonl",
)


def damaged_files(path: Path) -> Iterator[str]:
    """Put damaged content or a wrong kind of file at *path*, one after the other; yield after each."""

    def clear() -> None:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)

    for text in (b"", b"{", b"null", b"[]", b"5", b'{"state": "paused"}', b"\xff\x00\xfe", b"[" * 5000):
        path.write_bytes(text)
        yield repr(text[:10])
    clear()
    path.mkdir()
    yield "a directory"
    clear()
    path.symlink_to(path.name)
    yield "a loop of links"
    clear()
    path.symlink_to(path.parent / "missing" / "at" / "all")
    yield "a link to nothing"
    clear()
    os.mkfifo(path)
    yield "a pipe"
    clear()
    path.write_bytes(b"{}")
    path.chmod(0)
    yield "without permissions"
    clear()


@pytest.mark.parametrize("name", FILES)
def test_unreadable_job_file_affects_only_its_own_training(service, pair, name: str) -> None:
    damaged, good = pair
    job = service.job(damaged)
    for what in damaged_files(job.path / name):
        ask_everything(service, damaged, good)
        ask_for_parts(service, damaged, good)
        one = service.client.get(f"/v3/models/{damaged}")
        assert one.json()["entity"]["status"]["state"] == "pending", what


def test_invalid_job_directory_affects_only_its_own_training(service, pair) -> None:
    damaged, good = pair
    for _ in damaged_files(service.deps.jobs_dir / damaged):
        ask_everything(service, damaged, good)
