"""Search the service for the trainings of a task, by the run keys in their descriptions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_dlaas.client import calls
from airflow_dlaas.exceptions import NotFound, ProtocolError
from airflow_dlaas.task_runs.cancel import try_cancel_training
from airflow_dlaas.task_runs.resolve import (
    KeyedTraining,
    ResolvedTraining,
    Resume,
    creation_order,
    resolve_training,
)
from airflow_dlaas.task_runs.run_key import RunKey, TaskTry

if TYPE_CHECKING:
    from airflow_dlaas._util.task_logger import TaskLogger
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.training import Training

MAX_CLOCK_SKEW = timedelta(days=1)
"""The maximum difference between the clocks of Airflow and of the service."""

MAX_PAGES = 50
"""Maximum number of pages of the list that are read: 10,000 trainings."""


@dataclass(frozen=True, slots=True)
class TrainingSearch:
    """What a try of a task searches for."""

    first_key: RunKey
    """The key of the first training of the task's generation."""
    current_try: TaskTry
    since: datetime | None
    """The earliest time at which trainings of the task can have been submitted."""
    retry_failed: bool
    """Whether this try trains again after a training that failed or was canceled."""
    resume: Resume = False
    """Whether a new training begins with the newest checkpoint of an earlier one."""
    v1_key: RunKey | None = None
    """`first_key` in form 1, which earlier releases wrote; trainings under it belong to this task too."""

    @property
    def task_digests(self) -> frozenset[str]:
        """The digests of the task in all its keys."""
        return frozenset(key.task_digest for key in (self.first_key, self.v1_key) if key is not None)


def fetch_and_resolve(
    client: Client,
    search: TrainingSearch,
    logger: TaskLogger,
    is_reusable: Callable[[Training], bool] | None = None,
) -> ResolvedTraining:
    """
    Find the training that belongs to a try; cancel trainings that earlier generations of the task have left running.

    A first try sends no request if `submit_training` alone is atomic. A training of an earlier generation that cannot
    be read is logged and does not end the search.

    :param is_reusable: whether the completed training of an earlier generation replaces a new one; None means never.
    :raises ProtocolError: a training of this generation cannot be read, so it is unknown whether to attach to it.
    """
    if search.current_try.try_number == 1 and client.extensions.idempotency_key:
        return ResolvedTraining(search.first_key, None)
    found, unreadable = _fetch_trainings(client, search.task_digests, search.since, search.first_key.generation)
    for training_id, cause in unreadable.items():
        logger.warning(
            "Training %s of an earlier run of this task cannot be read (%s); it is not canceled, and no completed "
            "training of earlier runs is reused",
            training_id,
            cause,
        )
    resolved = resolve_training(
        search.first_key,
        found,
        current_try=search.current_try,
        retry_failed=search.retry_failed,
        resume=search.resume,
    )
    for training in resolved.superseded:
        logger.info("Training %s belongs to an earlier run of this task, which was cleared; canceling it", training.id)
        try_cancel_training(client, training.id, logger)
    if resolved.reuse_candidate is not None and is_reusable is not None and not unreadable:
        run_key, training = resolved.reuse_candidate
        if is_reusable(training):
            return ResolvedTraining(run_key, training, resolved.superseded)
    return resolved


def find_training(client: Client, run_key: RunKey, *, since: datetime | None) -> Training | None:
    """Return the training with *run_key*; None if there is none."""
    found = list_with_key(client, run_key, since=since)
    return found[0] if found else None


def list_with_key(client: Client, run_key: RunKey, *, since: datetime | None) -> list[Training]:
    """Return all trainings with *run_key*: the one that counts first, then any that a race has created too."""
    ids = [one for key, one in _iter_training_ids(client, {run_key.task_digest}, since) if key == run_key]
    found = [training for one in ids if (training := _get_or_none(client, one)) is not None]
    return sorted(found, key=creation_order)


def _iter_training_ids(
    client: Client, task_digests: Collection[str], since: datetime | None
) -> Iterator[tuple[RunKey, str]]:
    """
    Yield key and id of each training of *task_digests* in the list.

    If the pages come newest first, the search ends at the first page with a training that is older than *since* by more
    than `MAX_CLOCK_SKEW`.
    """
    call = calls.list_training_summaries()
    for _ in range(MAX_PAGES):
        page = client.send(call)
        for summary in page.resources:
            run_key = RunKey.from_description(summary.entity.model_definition.description or "")
            if run_key is not None and run_key.task_digest in task_digests:
                yield run_key, summary.metadata.guid
        times = [summary.metadata.created_at for summary in page.resources]
        in_order = times == sorted(times, reverse=True)
        if page.next is None or (in_order and since is not None and times and times[-1] < since - MAX_CLOCK_SKEW):
            return
        call = calls.list_training_summaries(client.path_from_url(page.next.url))


def _fetch_trainings(
    client: Client, task_digests: Collection[str], since: datetime | None, generation: str
) -> tuple[list[KeyedTraining], dict[str, str]]:
    """
    Return the trainings of *task_digests*, and the ids of those that cannot be read, with the causes.

    :raises ProtocolError: a training of *generation* cannot be read.
    """
    found: list[KeyedTraining] = []
    unreadable: dict[str, str] = {}
    for run_key, training_id in _iter_training_ids(client, task_digests, since):
        try:
            training = _get_or_none(client, training_id)
        except ProtocolError as error:  # noqa: PERF203 - one unreadable training must not hide the others
            if run_key.generation == generation:
                raise
            unreadable[training_id] = str(error)
        else:
            if training is not None:
                found.append((run_key, training))
    return found, unreadable


def _get_or_none(client: Client, training_id: str) -> Training | None:
    try:
        return client.send(calls.get_training(training_id))
    except NotFound:
        return None
