"""
Which training a try of a task is about: one that is there already, or one to be made. No I/O.

Decided here and nowhere else. A training that a crash has left is taken up; one that ended badly is not, the try is
there to train anew; what an earlier generation of the task has left running is superseded; and what an earlier
generation has completed without its task succeeding may be taken up instead of training anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.task_runs.run_key import RunKey, TaskTry

KeyedTraining = tuple[RunKey, Training]
"""A training, and the tag it carries."""


@dataclass(frozen=True, slots=True)
class ResolvedTraining:
    """What a try goes on with."""

    run_key: RunKey
    """The tag of the training it is about."""
    existing: Training | None
    """That training, where it is there already; None where it has yet to be made."""
    superseded: tuple[Training, ...] = ()
    """Trainings of earlier generations that no task waits for any more: to be canceled."""
    reuse_candidate: KeyedTraining | None = None
    """
    A training of an earlier generation that completed and whose task never succeeded. It takes the place of the one to
    be made if it was made from the same definition and its results still exist, which the caller checks.
    """


def resolve_training(
    first_key: RunKey, candidates: Sequence[KeyedTraining], *, current_try: TaskTry, retry_failed: bool
) -> ResolvedTraining:
    """
    Choose for one try of a task.

    :param first_key: the task's tag.
    :param candidates: every training that carries a tag of this task, of whatever generation, form and Airflow.
    :param current_try: the try.
    :param retry_failed: whether a try that finds a training ended badly trains anew. One try makes one at most: a task
        that is taken up within its try learns how its training ended.
    """
    mine = [one for one in candidates if not _is_other_airflow(first_key, one[0])]
    own = [one for one in mine if _is_same_generation(first_key, one, current_try)]
    surely_mine = [
        one
        for one in mine
        if first_key.airflow_digest is not None and one[0].airflow_digest == first_key.airflow_digest
    ]
    earlier = [one for one in surely_mine if one not in own]
    superseded = tuple(training for _, training in earlier if not training.state.is_final)
    if not own:
        return ResolvedTraining(first_key, None, superseded, _find_reuse_candidate(surely_mine))
    newest = max(tag.attempt for tag, _ in own)
    tag, training = min(
        ((tag, one) for tag, one in own if tag.attempt == newest), key=lambda pair: creation_order(pair[1])
    )
    if retry_failed and newest + 1 < current_try.try_number and is_failed_or_canceling(training):
        return ResolvedTraining(tag.next_attempt, None, superseded)
    return ResolvedTraining(tag, training, superseded)


def creation_order(training: Training) -> tuple[object, ...]:
    """Say in which order trainings under one key count: of two that raced into being, the earlier one stays."""
    return (training.metadata.created_at, training.id)


def is_failed_or_canceling(training: Training) -> bool:
    """Whether it has ended other than well, or is about to: a cancel takes its time to be carried out."""
    if training.state.is_final:
        return training.state is not TrainingState.COMPLETED
    return bool(training.status.cancel_requested)


def _is_other_airflow(first_key: RunKey, run_key: RunKey) -> bool:
    """Whether *run_key* was written by an Airflow that is not this one, and both are known."""
    return (
        first_key.airflow_digest is not None
        and run_key.airflow_digest is not None
        and first_key.airflow_digest != run_key.airflow_digest
    )


def _is_same_generation(first_key: RunKey, candidate: KeyedTraining, current_try: TaskTry) -> bool:
    """
    Whether the task was not cleared since the training was submitted.

    The digest of the generation decides, except after a clear with lowered ``retries``. `clears` alone proves
    nothing: it counts the clears of every task of the run. Such a clear also moves the generation's first try behind
    the earlier one's; and an acknowledged training belongs to a task that succeeded, which runs again only if cleared.
    """
    tag, training = candidate
    if tag.generation != first_key.generation:
        return False
    if tag.version == 1 or first_key.clear_number == tag.clear_number:
        return True
    moved = tag.first_try < current_try.first_try <= current_try.try_number
    return not (moved or training.status.acknowledged_at is not None)


def _find_reuse_candidate(candidates: Sequence[KeyedTraining]) -> KeyedTraining | None:
    """
    Return the newest training that completed and of which no task has taken the result.

    None where the task has succeeded once, whichever training it was with: a task that is cleared then is to train.
    """
    if any(training.status.acknowledged_at is not None for _, training in candidates):
        return None
    completed = [
        (tag, training)
        for tag, training in candidates
        if tag.acknowledges and training.state is TrainingState.COMPLETED
    ]
    return max(completed, key=lambda one: creation_order(one[1]), default=None)
