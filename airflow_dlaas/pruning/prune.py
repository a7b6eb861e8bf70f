"""Prunes results: asks the service for the trainings and the object store for their results, and deletes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.format_list import format_list
from airflow_dlaas.contract.training_inputs import TrainingInputs
from airflow_dlaas.exceptions import ContainerNotFound, ProtocolError, StoreError
from airflow_dlaas.pruning.decide import Decision, decide, is_candidate, results_folder
from airflow_dlaas.pruning.delete import delete_folder
from airflow_dlaas.pruning.rules import PruneRules
from airflow_dlaas.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Pruning:
    """What is to be pruned, or was."""

    decisions: Sequence[Decision]
    """About all results that the rules are about, newest first."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many objects were deleted, by the id of their training; empty before `delete`."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Why results could not be looked for or deleted, by the id of their training."""

    @property
    def deletions(self) -> Sequence[Decision]:
        """The results that no rule keeps."""
        return [one for one in self.decisions if one.deleted]


def plan(client: Client, store: ObjectStore, rules: PruneRules) -> Pruning:
    """
    Return what *rules* delete and keep; nothing is deleted.

    :param store: has the containers for results.
    :raises ProtocolError: a training cannot be read, so what it needs is unknown.
    """
    stored: set[str] = set()
    problems: dict[str, str] = {}
    for one in _list_trainings(client):
        if is_candidate(one, rules):
            try:
                stored |= {one.id} if _has_results(store, one) else set()
            except StoreError as error:
                problems[one.id] = str(error)
    # Again: trainings that were submitted meanwhile may begin with one of these.
    trainings = _list_trainings(client)
    return Pruning(decide(trainings, stored, rules, _current_time(trainings)), problems=problems)


def delete(store: ObjectStore, planned: Pruning) -> Pruning:
    """Delete what *planned* deletes. Results that cannot be deleted do not stop the others."""
    counts: dict[str, int] = {}
    problems = dict(planned.problems)
    for one in planned.deletions:
        container = one.training.results_container or ""
        try:
            counts[one.training.id] = delete_folder(store, container, results_folder(one.training))
        except StoreError as error:
            problems[one.training.id] = str(error)
    return Pruning(planned.decisions, counts, problems)


def _list_trainings(client: Client) -> list[TrainingInputs]:
    page = client.send(calls.list_training_inputs())
    trainings: dict[str, TrainingInputs] = {}
    requested: set[str] = set()
    while True:
        trainings |= {one.id: one for one in page.resources}
        if page.unreadable_ids or page.unidentified_count:
            ids = format_list(sorted(page.unreadable_ids)) or "a training without an id"
            raise ProtocolError(
                f"The service lists trainings that cannot be read, so what they need is unknown, and no results are "
                f"deleted: {ids}. airflow-dlaas show prints the reason; a training that is not needed can be deleted"
            )
        if page.next is None or page.next.url in requested:
            return list(trainings.values())
        requested.add(page.next.url)
        page = client.send(calls.list_training_inputs(client.path_from_url(page.next.url)))


def _has_results(store: ObjectStore, training: TrainingInputs) -> bool:
    container = training.results_container
    if container is None:
        return False
    try:
        return next(iter(store.list_dir(container, f"{results_folder(training)}/", limit=1)), None) is not None
    except ContainerNotFound:
        return False


def _current_time(trainings: Sequence[TrainingInputs]) -> datetime:
    """Return the time by the clock of the service, which the times of trainings are by."""
    return max((one.status.current_at for one in trainings), default=datetime.now(timezone.utc))
