"""Checks of one training after its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import create_engine, select

from airflow_dlaas.contract.results import attempt_folder, is_internal
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest, parse_manifest_name
from airflow_dlaas.service.store.tables import usage
from tests.chaos.checkpoints import steps
from tests.chaos.checkpoints.trainings import ChaosTraining, Trainer

CHECKPOINTS_KEPT = 2


def find_violations(trainer: Trainer, training: ChaosTraining, entity: dict[str, Any]) -> Iterator[str]:
    """Yield each violated promise: the weights, the repeated work, the attempts, the objects, the processes."""
    status = entity["status"]
    if "BROKEN" in training.log():
        yield "a part of a checkpoint was read"
    recorded = training.steps()
    yield from steps.find_violations(recorded, training.kills, training.longest_transfers())
    if status["state"] != "completed":
        yield f"ended as {status['state']}: {status.get('error')}"
        return
    yield from _check_attempts(trainer, training, status, list(recorded))
    yield from _check_objects(trainer, training, entity)
    if remaining := trainer.service.processes_of(training.id):
        yield f"has ended and still has processes: {remaining}"


def _check_attempts(
    trainer: Trainer, training: ChaosTraining, status: dict[str, Any], begun: list[int]
) -> Iterator[str]:
    """One end, and one report and one row of usage for each attempt."""
    last = status.get("attempt", 1)
    reports = status.get("attempts") or [{"number": 1}]
    if [one["number"] for one in reports] != list(range(1, last + 1)):
        yield f"attempt {last}, but reports of {[one['number'] for one in reports]}"
    if missing := [one["number"] for one in reports[:-1] if not one.get("code") or not one.get("reason")]:
        yield f"attempts without the reason of their end: {missing}"
    if begun and max(begun) > last:
        yield f"the command of attempt {max(begun)} began, but the last attempt is {last}"
    if last > 1 + training.events:
        yield f"{last} attempts after {training.events} events"
    engine = create_engine(f"sqlite:///{trainer.service.home}/database.sqlite")
    with engine.connect() as connection:
        found = select(usage.c.attempt, usage.c.released_at).where(usage.c.training_id == training.id)
        rows = list(connection.execute(found))
    engine.dispose()
    if len({attempt for attempt, _ in rows}) != len(rows) or not rows:
        yield f"usage of attempts {[attempt for attempt, _ in rows]}"
    if unreleased := [attempt for attempt, released_at in rows if released_at is None]:
        yield f"usage of attempts {unreleased} does not end"


def _check_objects(trainer: Trainer, training: ChaosTraining, entity: dict[str, Any]) -> Iterator[str]:
    """The weights of an undisturbed training, results of the last attempt only, and the newest checkpoints."""
    folder = attempt_folder(training.id, entity["status"].get("attempt", 1))
    location = entity["training_results"]["location"]["model_location"]
    if location.rstrip("/") != folder:
        yield f"its model_location is {location}, and its results are in {folder}"
    names = trainer.stored(training)
    weights = [name for name in names if name.endswith("/weights.bin")]
    if weights != [f"{folder}/weights.bin"]:
        yield f"its weights are {weights}; results are in {folder}"
    elif trainer.read(weights[0]) != training.expected:
        yield "its weights differ from those of an undisturbed training"
    manifests = [name for name in names if parse_manifest_name(training.id, name)]
    if not 1 <= len(manifests) <= CHECKPOINTS_KEPT:
        yield f"its checkpoints are {manifests}"
    needed = {name for one in manifests for name in _content_of(trainer.read(one))}
    if missing := needed.difference(names):
        yield f"objects of its checkpoints are missing: {sorted(missing)[:5]}"
    results = [name for name in names if not is_internal(name) and not name.startswith(f"{folder}/")]
    if others := set(results) - needed:
        yield f"objects of earlier attempts: {sorted(others)[:5]}"


def _content_of(manifest: bytes) -> list[str]:
    entries = CheckpointManifest.model_validate_json(manifest).entries
    return [one.object_name for one in entries if one.object_name is not None]
