"""
Decide which training belongs to a try of a task: an existing one or a new one, and what a new one resumes. No I/O.

This is the only place that decides it. A try attaches to a training that a crashed try has left. It does not attach to
one that failed or was canceled: the try exists to train again. A training that an earlier generation has left running
is superseded. A training that an earlier generation completed without success of its task may be reused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.task_runs.run_key import RunKey, TaskTry

RESUME_TAG = "resume"
"""The tag of a training that the task resumes after a clear."""

Resume = bool | Literal["always"]
"""
Whether a new training begins with the newest checkpoint of an earlier one of its task: never (False), in a further try
and after a clear of a training with `RESUME_TAG` (True), or also after every other clear ("always").
"""

KeyedTraining = tuple[RunKey, Training]
"""A training, and the run key in its description."""


@dataclass(frozen=True, slots=True)
class ResolvedTraining:
    """The training of a try, and what to do with others."""

    run_key: RunKey
    """The key of the training."""
    existing: Training | None
    """The training, if it exists; None if it must be created."""
    superseded: tuple[Training, ...] = ()
    """Trainings of earlier generations that no task waits for; the caller cancels them."""
    reuse_candidate: KeyedTraining | None = None
    """
    A training of an earlier generation that completed and whose task never succeeded. It replaces a new training if it
    has the same definition and its results still exist, which the caller checks.
    """
    resumes: Training | None = None
    """The training with whose newest checkpoint a new one begins. It may have none: then those before it count."""


def resolve_training(
    first_key: RunKey,
    candidates: Sequence[KeyedTraining],
    *,
    current_try: TaskTry,
    retry_failed: bool,
    resume: Resume = False,
) -> ResolvedTraining:
    """
    Choose the training of one try.

    :param first_key: the key of the first training of the task's generation.
    :param candidates: all trainings with a key of this task, of any generation, form and Airflow.
    :param retry_failed: whether a try trains again after a training that failed or was canceled. One try creates one
        training at most: a task that is resumed within its try gets the result of its training.
    """
    not_foreign = [one for one in candidates if not _is_other_airflow(first_key, one[0])]
    current = [one for one in not_foreign if _is_same_generation(first_key, one, current_try)]
    of_this_airflow = [
        one
        for one in not_foreign
        if first_key.airflow_digest is not None and one[0].airflow_digest == first_key.airflow_digest
    ]
    earlier = [one for one in of_this_airflow if one not in current]
    superseded = tuple(training for _, training in earlier if not training.state.is_final)
    if not current:
        return ResolvedTraining(
            first_key,
            None,
            superseded,
            reuse_candidate=_find_reuse_candidate(of_this_airflow),
            resumes=_find_resumed_after_clear(earlier, resume),
        )
    newest = max(run_key.training_number for run_key, _ in current)
    run_key, training = min(
        ((run_key, one) for run_key, one in current if run_key.training_number == newest),
        key=lambda pair: creation_order(pair[1]),
    )
    if retry_failed and newest + 1 < current_try.try_number and is_failed_or_canceling(training):
        return ResolvedTraining(run_key.next_training, None, superseded, resumes=training if resume else None)
    return ResolvedTraining(run_key, training, superseded)


def creation_order(training: Training) -> tuple[object, ...]:
    """Return the sort key of trainings with one run key: the earliest one counts if a race has created several."""
    return (training.metadata.created_at, training.id)


def is_failed_or_canceling(training: Training) -> bool:
    """Return whether *training* failed, was canceled or has a cancel request that is not carried out yet."""
    if training.state.is_final:
        return training.state is not TrainingState.COMPLETED
    return bool(training.status.cancel_requested)


def _is_other_airflow(first_key: RunKey, run_key: RunKey) -> bool:
    """Return whether another Airflow wrote *run_key*; False if one of the two identities is unknown."""
    return (
        first_key.airflow_digest is not None
        and run_key.airflow_digest is not None
        and first_key.airflow_digest != run_key.airflow_digest
    )


def _is_same_generation(first_key: RunKey, candidate: KeyedTraining, current_try: TaskTry) -> bool:
    """
    Return whether the task was not cleared after the training was submitted.

    The digest of the generation decides, except after a clear with lowered ``retries``. `clear_number` alone is no
    proof: it counts the clears of all tasks of the run. Such a clear also moves the first try of the generation behind
    the earlier one's. And an acknowledged training belongs to a task that succeeded; it runs again only after a clear.
    """
    run_key, training = candidate
    if run_key.generation != first_key.generation:
        return False
    if run_key.version == 1 or first_key.clear_number == run_key.clear_number:
        return True
    moved = run_key.first_try < current_try.first_try <= current_try.try_number
    return not (moved or training.status.acknowledged_at is not None)


def _find_reuse_candidate(candidates: Sequence[KeyedTraining]) -> KeyedTraining | None:
    """
    Return the newest completed training whose result no task has used.

    None if the task has succeeded once, with any of the trainings: a clear after a success means to train again.
    """
    if any(training.status.acknowledged_at is not None for _, training in candidates):
        return None
    completed = [
        (run_key, training)
        for run_key, training in candidates
        if run_key.acknowledges and training.state is TrainingState.COMPLETED
    ]
    return max(completed, key=lambda one: creation_order(one[1]), default=None)


def _find_resumed_after_clear(earlier: Sequence[KeyedTraining], resume: Resume) -> Training | None:
    """Return the newest training of earlier generations, whatever its state, if the new one resumes it."""
    newest = max((training for _, training in earlier), key=creation_order, default=None)
    if newest is None or not resume:
        return None
    return newest if resume == "always" or RESUME_TAG in (newest.status.tags or ()) else None
