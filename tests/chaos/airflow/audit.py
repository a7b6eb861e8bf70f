"""Invariants that must hold after a chaos run, checked on the state of the service and of Airflow. Values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.task_runs.run_key import RunKey
from tests.chaos.airflow.script import Round, RunEvent


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run after everything has ended."""

    round: Round
    trainings: Sequence[Training]
    """Oldest first."""
    done: Mapping[RunEvent, int]
    """How often each event was carried out: Airflow refuses some, for example on a run that has ended."""
    state: str | None
    """The state of the run; None if it was deleted."""
    result: object
    """The return value of the task."""
    stored: Collection[str]
    """Names of the objects that its trainings have stored."""


def find_violations(after: RunResult) -> Iterator[str]:
    """Yield each violated invariant."""
    keys = [RunKey.from_description(one.entity.model_definition.description) for one in after.trainings]
    if len({key.task_digest for key in keys if key is not None}) > 1 or None in keys:
        yield "a training has no key of a task"
    if doubles := [name for name, times in Counter(key.idempotency_key for key in keys if key).items() if times > 1]:
        yield f"created twice under one key: {doubles}"
    for one in after.trainings:
        if not one.state.is_final:
            yield f"{one.id} is {one.state}, and no task waits for it"
        if one.state is TrainingState.ERROR and one.status.message != f"{one.id}: {after.round.exit_code}":
            yield f"{one.id} has the message {one.status.message!r}, but its command exits with {after.round.exit_code}"
    yield from _check_counts(after)
    yield from _check_result(after)
    yield from _check_objects(after)


def _check_counts(after: RunResult) -> Iterator[str]:
    """There are no more trainings than runs, clears and tries after a failure ask for."""
    asked = 1 + after.done.get(RunEvent.CLEAR, 0)
    bad = [one for one in after.trainings if one.state is not TrainingState.COMPLETED]
    completed = len(after.trainings) - len(bad)
    if completed > asked:
        yield f"{completed} trainings have completed, but only {asked} were requested"
    if after.round.exit_code == 0 and len(bad) > asked + after.done.get(RunEvent.MARK_FAILED, 0):
        yield f"{len(bad)} of {len(after.trainings)} trainings were canceled, but only {asked} were requested"


def _check_result(after: RunResult) -> Iterator[str]:
    marked = after.done.get(RunEvent.MARK_SUCCESS, 0)
    if after.state != "success" or marked:
        return
    last = after.trainings[-1] if after.trainings else None
    if last is None or last.state is not TrainingState.COMPLETED:
        yield f"the run succeeded, but the state of its last training is {last.state if last else 'none'}"
    elif after.result != last.id:
        yield f"the run's result is {after.result!r}, but its last training is {last.id}"


def _check_objects(after: RunResult) -> Iterator[str]:
    known = {one.id for one in after.trainings}
    for one in after.trainings:
        log = f"{one.id}/learner-1/training-log.txt"
        if one.state is TrainingState.COMPLETED and log not in after.stored:
            yield f"{one.id} has completed, but its log is not stored"
    if unknown := {name.partition("/")[0] for name in after.stored} - known:
        yield f"objects of no training: {sorted(unknown)}"
