"""What must hold after a storm, whatever befell: read off the service and Airflow. Values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.task_runs.run_key import RunKey
from tests.chaos.airflow.script import Deed, Round


@dataclass(frozen=True, slots=True)
class Aftermath:
    """One run when all is over."""

    round: Round
    trainings: Sequence[Training]
    """Oldest first."""
    done: Mapping[Deed, int]
    """How often which deed was carried out: Airflow refuses some, as on a run that has ended."""
    state: str | None
    """The run's; None where it was deleted."""
    result: object
    """What the task has handed on."""
    stored: Collection[str]
    """Names of the objects that its trainings have left."""


def violations(after: Aftermath) -> Iterator[str]:
    """Name what does not hold."""
    tags = [RunKey.from_description(one.entity.model_definition.description) for one in after.trainings]
    if len({tag.task_digest for tag in tags if tag is not None}) > 1 or None in tags:
        yield "a training does not say whose it is"
    if doubles := [key for key, times in Counter(tag.idempotency_key for tag in tags if tag).items() if times > 1]:
        yield f"made twice under one key: {doubles}"
    for one in after.trainings:
        if not one.state.is_final:
            yield f"{one.id} is {one.state}, and nobody waits for it"
        if one.state is TrainingState.ERROR and one.status.message != f"{one.id}: {after.round.exit_code}":
            yield f"{one.id} says {one.status.message!r} and was told to exit with {after.round.exit_code}"
    yield from _numbers(after)
    yield from _result(after)
    yield from _objects(after)


def _numbers(after: Aftermath) -> Iterator[str]:
    """Nobody is trained for more often than somebody asked for: by clearing, or by a try after a bad end."""
    asked = 1 + after.done.get(Deed.CLEAR, 0)
    bad = [one for one in after.trainings if one.state is not TrainingState.COMPLETED]
    completed = len(after.trainings) - len(bad)
    if completed > asked:
        yield f"{completed} trainings have completed, and {asked} were asked for"
    if after.round.exit_code == 0 and len(bad) > asked + after.done.get(Deed.MARK_FAILED, 0):
        yield f"{len(bad)} of {len(after.trainings)} trainings were canceled, and {asked} were asked for"


def _result(after: Aftermath) -> Iterator[str]:
    marked = after.done.get(Deed.MARK_SUCCESS, 0)
    if after.state != "success" or marked:
        return
    last = after.trainings[-1] if after.trainings else None
    if last is None or last.state is not TrainingState.COMPLETED:
        yield f"the run succeeded, and its last training is {last.state if last else 'none'}"
    elif after.result != last.id:
        yield f"the run's result is {after.result!r}, and its last training {last.id}"


def _objects(after: Aftermath) -> Iterator[str]:
    known = {one.id for one in after.trainings}
    for one in after.trainings:
        log = f"{one.id}/learner-1/training-log.txt"
        if one.state is TrainingState.COMPLETED and log not in after.stored:
            yield f"{one.id} has completed, and its log is not stored"
    if strangers := {name.partition("/")[0] for name in after.stored} - known:
        yield f"objects of nobody: {sorted(strangers)}"
