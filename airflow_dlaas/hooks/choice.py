"""
Which training a try of a task is about: one that is there already, or one to be made. No I/O.

Decided here and nowhere else. A training that a crash has left is taken up; one that ended badly is not, the try is
there to train anew; and whatever an earlier generation of the task has left running is superseded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.hooks.tag import Tag


@dataclass(frozen=True, slots=True)
class Choice:
    """What a try goes on with."""

    tag: Tag
    """The tag of the training it is about."""
    known: Training | None
    """That training, where it is there already; None where it has yet to be made."""
    superseded: tuple[Training, ...] = ()
    """Trainings of earlier generations that nobody waits for any more: to be canceled."""


def choose(first: Tag, found: Sequence[tuple[Tag, Training]], *, try_number: int, retry_failed: bool) -> Choice:
    """
    Choose for try *try_number* of a task.

    :param first: the task's tag.
    :param found: every training that carries a tag of this task, of whatever generation.
    :param retry_failed: whether a try that finds a training ended badly trains anew. One try makes one at most: a task
        that is taken up within its try learns how its training ended.
    """
    superseded = tuple(
        training for tag, training in found if tag.generation != first.generation and not training.state.final
    )
    own = [(tag, training) for tag, training in found if tag.generation == first.generation]
    if not own:
        return Choice(first, None, superseded)
    newest = max(tag.attempt for tag, _ in own)
    tag, training = min(((tag, one) for tag, one in own if tag.attempt == newest), key=lambda pair: precedence(pair[1]))
    if retry_failed and newest + 1 < try_number and ended_badly(training):
        return Choice(tag.next, None, superseded)
    return Choice(tag, training, superseded)


def precedence(training: Training) -> tuple[object, ...]:
    """Say in which order trainings under one key count: of two that raced into being, the earlier one stays."""
    return (training.metadata.created_at, training.id)


def ended_badly(training: Training) -> bool:
    """Whether it has ended other than well, or is about to: a cancel takes its time to be carried out."""
    if training.state.final:
        return training.state is not TrainingState.COMPLETED
    return bool(training.status.cancel_requested)
