"""
Submitting a training for a task: once, whatever becomes of the worker, the answer or the service.

A server that honours `Idempotency-Key` sees to that itself. On any other v3 server the listing is asked before and
after: what carries our key in its description is ours, and of two that raced into being the earlier one stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_dlaas.client import calls
from airflow_dlaas.exceptions import Conflict, DlaasError, NotFound, ProtocolError, RateLimited, Unauthenticated
from airflow_dlaas.task_runs.resolve import KeyedTraining, ResolvedTraining, creation_order, resolve_training
from airflow_dlaas.task_runs.run_key import RunKey, TaskTry, with_run_key

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training

Say = Callable[[str], None]

MAX_CLOCK_SKEW = timedelta(days=1)
"""How far the clocks of Airflow and the service may be apart."""

MAX_PAGES = 50
"""Pages of the listing that are looked through at most: 10,000 trainings."""

LOOKUP_DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before the first, second … look for a training whose creation nobody has confirmed."""

MAX_CANCEL_LOOKUPS = 2
"""How many of them a task that is being ended has the time for."""


def fetch_and_resolve(
    client: Client,
    first_key: RunKey,
    *,
    current_try: TaskTry,
    since: datetime | None,
    retry_failed: bool,
    say: Say,
    v1_key: RunKey | None = None,
    is_reusable: Callable[[Training], bool] | None = None,
) -> ResolvedTraining:
    """
    Find out which training this try is about, and cancel what earlier generations of the task have left running.

    A first try asks nothing where `submit_training` alone is atomic. A training of an earlier generation that cannot be read
    stops nothing.

    :param v1_key: *first_key* as releases before this one spelled it; trainings under it are this task's, too.
    :param is_reusable: whether the completed training of an earlier generation takes the place of a new one; None where
        it never does.
    :raises Misunderstood: a training of this generation cannot be read: whether it may be taken up is not known.
    """
    if current_try.try_number == 1 and client.extensions.idempotency_key:
        return ResolvedTraining(first_key, None)
    tasks = {first_key.task_digest} | ({v1_key.task_digest} if v1_key else set())
    found, unreadable = _fetch_trainings(client, tasks, since, first_key.generation)
    for training_id, why in unreadable.items():
        say(
            f"Training {training_id} of an earlier run of this task cannot be read, so it is not canceled, and "
            f"nothing that earlier runs completed is taken up: {why}"
        )
    choice = resolve_training(first_key, found, current_try=current_try, retry_failed=retry_failed)
    for training in choice.superseded:
        say(f"Training {training.id} belongs to an earlier run of this task, which was cleared; canceling it")
        try_cancel(client, training.id, say)
    if choice.reuse_candidate is not None and is_reusable is not None and not unreadable:
        tag, training = choice.reuse_candidate
        if is_reusable(training):
            return ResolvedTraining(tag, training, choice.superseded)
    return choice


def submit_training(
    client: Client, definition: TrainingDefinition, run_key: RunKey, *, since: datetime | None, say: Say
) -> Training:
    """
    Make the training that *run_key* names, or find it.

    :raises ServiceError: it could not be made, or nobody can say; asking again with the same tag makes no second one.
    """
    if definition.metric_definitions and not client.extensions.metric_definitions:
        say("This service knows no metric definitions; it finds metrics in the log in its own way, if at all")
        definition = definition.model_copy(update={"metric_definitions": None})
    if not client.extensions.idempotency_key:
        return _submit_without_idempotency(client, definition, run_key, since, say)
    try:
        return client.send(
            calls.create_training(with_run_key(definition, run_key), idempotency_key=run_key.idempotency_key)
        )
    except Conflict:
        known = find_training(client, run_key, since=since)
        if known is None:
            raise
        say(f"The definition has changed since training {known.id} was submitted; that one is taken up as it is")
        return known


def log_training(training: Training, say: Say) -> None:
    """Say which training a task is about."""
    say(f"Training {training.id} is {training.state}")
    if training.status.runtime:
        say(f"It runs on {training.status.runtime}")


def find_training(client: Client, run_key: RunKey, *, since: datetime | None) -> Training | None:
    """Find the training that *run_key* names; None where there is none."""
    found = _list_with_key(client, run_key, since)
    return found[0] if found else None


def cancel_by_key(
    client: Client, run_key: RunKey, definition: TrainingDefinition | None, *, since: datetime | None, say: Say
) -> bool:
    """
    Cancel the training that *run_key* names, if there is one; whether that is settled, or worth another try.

    :param definition: given where its submission may still be under way: where a server honours our key it is
        submitted once more, which makes no second one, so that it can't come into being after we have looked.
    """
    try:
        if definition is not None and client.extensions.idempotency_key:
            training: Training | None = submit_training(client, definition, run_key, since=since, say=say)
        else:
            training = find_training(client, run_key, since=since)
            for pause in LOOKUP_DELAYS[:MAX_CANCEL_LOOKUPS] if definition is not None else ():
                if training is not None:
                    break
                time.sleep(pause)
                training = find_training(client, run_key, since=since)
    except DlaasError as error:
        say(f"The training under key {run_key.idempotency_key} could not be canceled: {error}")
        return _is_permanent(error)
    if training is None:
        say("No training has been submitted: there is nothing to cancel")
    elif training.state.is_final:
        say(f"Training {training.id} had ended before: {training.state}")
    else:
        return try_cancel(client, training.id, say)
    return True


def try_cancel(client: Client, training_id: str, say: Say) -> bool:
    """Ask the service to stop a training; says what came of it; whether that is settled, or worth another try."""
    try:
        client.send(calls.cancel_training(training_id))
    except NotFound:
        say(f"Training {training_id} is gone")
    except DlaasError as error:
        say(f"Training {training_id} could not be canceled: {error}")
        return _is_permanent(error)
    else:
        say(f"Training {training_id} was canceled")
    return True


def _is_permanent(error: DlaasError) -> bool:
    """Whether a retry of a failed cancel cannot help; it can if the service was away or the password was changed."""
    return not (error.transient or isinstance(error, Unauthenticated))


def _submit_without_idempotency(
    client: Client, definition: TrainingDefinition, run_key: RunKey, since: datetime | None, say: Say
) -> Training:
    known = find_training(client, run_key, since=since)
    if known is not None:
        return known
    made = None
    try:
        made = client.send(calls.create_training(with_run_key(definition, run_key)))
    except DlaasError as error:
        if not error.transient or isinstance(error, RateLimited):
            raise
        # The answer is lost, or half an answer came: the training may be there, or about to be.
        for pause in LOOKUP_DELAYS:
            time.sleep(pause)
            if find_training(client, run_key, since=since) is not None:
                break
        else:
            raise
    seen = _list_with_key(client, run_key, since)
    first, *others = seen if seen or made is None else [made]
    for other in others:
        if not other.state.is_final:
            say(f"Training {other.id} is a second one for the same task; canceling it")
            try_cancel(client, other.id, say)
    return first


def _list_with_key(client: Client, run_key: RunKey, since: datetime | None) -> list[Training]:
    ids = [outline for one, outline in _iter_training_ids(client, {run_key.task_digest}, since) if one == run_key]
    found = [training for one in ids if (training := _get_or_none(client, one)) is not None]
    return sorted(found, key=creation_order)


def _iter_training_ids(
    client: Client, task_digests: Collection[str], since: datetime | None
) -> Iterator[tuple[RunKey, str]]:
    """Look through the listing for trainings of *task_digests*; its pages come newest first, where they come in order."""
    call = calls.list_training_summaries()
    for _ in range(MAX_PAGES):
        page = client.send(call)
        for outline in page.resources:
            tag = RunKey.from_description(outline.entity.model_definition.description or "")
            if tag is not None and tag.task_digest in task_digests:
                yield tag, outline.metadata.guid
        times = [outline.metadata.created_at for outline in page.resources]
        in_order = times == sorted(times, reverse=True)
        if page.next is None or (in_order and since is not None and times and times[-1] < since - MAX_CLOCK_SKEW):
            return
        call = calls.list_training_summaries(client.path_from_url(page.next.url))


def _fetch_trainings(
    client: Client, task_digests: Collection[str], since: datetime | None, generation: str
) -> tuple[list[KeyedTraining], dict[str, str]]:
    """
    Return the trainings of *task_digests*; and of those of other generations that cannot be read the ids, with the reasons.

    :raises Misunderstood: one of *generation* cannot be read.
    """
    found: list[KeyedTraining] = []
    unreadable: dict[str, str] = {}
    for tag, training_id in _iter_training_ids(client, task_digests, since):
        try:
            training = _get_or_none(client, training_id)
        except ProtocolError as error:  # noqa: PERF203 - one that cannot be read hides no other
            if tag.generation == generation:
                raise
            unreadable[training_id] = str(error)
        else:
            if training is not None:
                found.append((tag, training))
    return found, unreadable


def _get_or_none(client: Client, training_id: str) -> Training | None:
    try:
        return client.send(calls.get_training(training_id))
    except NotFound:
        return None
