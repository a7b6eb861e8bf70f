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
from airflow_dlaas.task_runs.run_key import Tag, Try

Found = tuple[Tag, Training]
"""A training, and the tag it carries."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a try goes on with."""

    tag: Tag
    """The tag of the training it is about."""
    known: Training | None
    """That training, where it is there already; None where it has yet to be made."""
    superseded: tuple[Training, ...] = ()
    """Trainings of earlier generations that no task waits for any more: to be canceled."""
    finished: Found | None = None
    """
    A training of an earlier generation that completed and whose task never succeeded. It takes the place of the one to
    be made if it was made from the same definition and its results still exist, which the caller checks.
    """


def choose(first: Tag, found: Sequence[Found], *, this: Try, retry_failed: bool) -> Choice:
    """
    Choose for one try of a task.

    :param first: the task's tag.
    :param found: every training that carries a tag of this task, of whatever generation, form and Airflow.
    :param this: the try.
    :param retry_failed: whether a try that finds a training ended badly trains anew. One try makes one at most: a task
        that is taken up within its try learns how its training ended.
    """
    mine = [one for one in found if not _of_another_airflow(first, one[0])]
    own = [one for one in mine if _same_generation(first, one, this)]
    surely_mine = [one for one in mine if first.airflow is not None and one[0].airflow == first.airflow]
    earlier = [one for one in surely_mine if one not in own]
    superseded = tuple(training for _, training in earlier if not training.state.is_final)
    if not own:
        return Choice(first, None, superseded, _finished(surely_mine))
    newest = max(tag.attempt for tag, _ in own)
    tag, training = min(((tag, one) for tag, one in own if tag.attempt == newest), key=lambda pair: precedence(pair[1]))
    if retry_failed and newest + 1 < this.number and ended_badly(training):
        return Choice(tag.next, None, superseded)
    return Choice(tag, training, superseded)


def precedence(training: Training) -> tuple[object, ...]:
    """Say in which order trainings under one key count: of two that raced into being, the earlier one stays."""
    return (training.metadata.created_at, training.id)


def ended_badly(training: Training) -> bool:
    """Whether it has ended other than well, or is about to: a cancel takes its time to be carried out."""
    if training.state.is_final:
        return training.state is not TrainingState.COMPLETED
    return bool(training.status.cancel_requested)


def _of_another_airflow(first: Tag, tag: Tag) -> bool:
    """Whether *tag* was written by an Airflow that is not this one, and both are known."""
    return first.airflow is not None and tag.airflow is not None and first.airflow != tag.airflow


def _same_generation(first: Tag, one: Found, this: Try) -> bool:
    """
    Whether the task was not cleared since the training was submitted.

    The digest of the generation decides, except after a clear with lowered ``retries``. `clears` alone proves
    nothing: it counts the clears of every task of the run. Such a clear also moves the generation's first try behind
    the earlier one's; and an acknowledged training belongs to a task that succeeded, which runs again only if cleared.
    """
    tag, training = one
    if tag.generation != first.generation:
        return False
    if tag.form == 1 or first.clears == tag.clears:
        return True
    moved = tag.first_try < this.first <= this.number
    return not (moved or training.status.acknowledged_at is not None)


def _finished(surely_mine: Sequence[Found]) -> Found | None:
    """
    Return the newest training that completed and of which no task has taken the result.

    None where the task has succeeded once, whichever training it was with: a task that is cleared then is to train.
    """
    if any(training.status.acknowledged_at is not None for _, training in surely_mine):
        return None
    completed = [
        (tag, training)
        for tag, training in surely_mine
        if tag.acknowledges and training.state is TrainingState.COMPLETED
    ]
    return max(completed, key=lambda one: precedence(one[1]), default=None)
