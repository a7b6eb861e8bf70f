"""The results of a training in its container: fetched, or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from airflow_dlaas.contract.format_list import format_list
from airflow_dlaas.contract.results import is_internal, results_root
from airflow_dlaas.contract.training import ResultsLocation, Training
from airflow_dlaas.exceptions import InvalidArgument, ObjectNotFound
from airflow_dlaas.pruning.delete import delete_folder
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.transfer import api
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path
from airflow_dlaas.storage.transfer.plan import planned_downloads


class ResultsPart(str, Enum):
    """A part of the results, by its folder."""

    MODEL = "model"
    LOGS = "learner-1"
    ALL = ""


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """The objects of one part of the results, and the folder that they are fetched into."""

    location: ResultsLocation
    part: ResultsPart
    destination: Path

    @property
    def prefix(self) -> str:
        """The folder in the container, with a slash at its end."""
        return f"{self.location.model_location}/{self.part.value}".rstrip("/") + "/"


def results_location(training: Training) -> ResultsLocation | None:
    """Return where the results of *training* are; None if it has left none."""
    results = training.entity.training_results
    return None if results is None else results.location


def plan_fetch(training: Training, part: ResultsPart, destination: Path | None) -> FetchPlan:
    """
    Return what to fetch, and where to: by default into ``TRAINING_ID/model``, ``TRAINING_ID/learner-1`` or
    ``TRAINING_ID``.

    :raises ObjectNotFound: the training has left no results.
    """
    location = results_location(training)
    if location is None:
        reason = "it left no results" if training.state.is_final else "it stores them at its end: wait for it"
        raise ObjectNotFound(f"Training {training.id} ({training.state}) has no results to fetch: {reason}")
    return FetchPlan(location, part, destination or Path(training.id) / part.value)


def fetch_results(
    store: ObjectStore, plan: FetchPlan, *, overwrite: bool, on_progress: api.ProgressCallback
) -> api.TransferReport:
    """
    Fetch the files of *plan*, each verified; what is there already stays, and an interrupted fetch is resumed.

    :raises ObjectNotFound: this part of the results has no file.
    :raises InvalidArgument: the destination has other files with the names of results, and *overwrite* is not set;
        nothing was fetched.
    """
    container = plan.location.container
    if not overwrite and (differing := _differing_files(store, plan)):
        raise InvalidArgument(
            f"{plan.destination} has other files with the names of results, and nothing was fetched: "
            f"{format_list(differing)}. Name another folder, or add --overwrite"
        )
    report = api.download(
        store,
        container,
        plan.destination,
        api.DownloadOptions(
            prefix=plan.prefix,
            exclude_filter=_internal_objects,
            allow_empty=True,
            checksum_cache=ChecksumCache(default_path()),
            progress=on_progress,
        ),
    )
    if not report.files + report.unchanged:
        raise ObjectNotFound(f"There is nothing under {plan.prefix} in container {container}")
    return report


def delete_results(store: ObjectStore, training: Training, *, container: str | None = None) -> int:
    """
    Delete all objects that *training* has stored, the results of all attempts and its checkpoints; return their number.

    :param container: the container for results, for a training that has left checkpoints and no results; without it,
        such a training has nothing to delete.
    """
    location = results_location(training)
    if location is None:
        location = ResultsLocation(container=container, model_location=training.id) if container else None
    if location is None or not location.model_location.strip("/"):
        return 0  # an empty folder would be the whole container
    return delete_folder(store, location.container, results_root(training.id, location.model_location))


def _differing_files(store: ObjectStore, plan: FetchPlan) -> Sequence[str]:
    """Return the results whose names are taken in the destination by files with another content."""
    listing = [one for one in store.list_objects(plan.location.container, plan.prefix) if not is_internal(one.name)]
    planned = planned_downloads(listing, plan.prefix, None)
    present = {
        one.stored.name: plan.destination / one.relative_path
        for one in planned
        if (plan.destination / one.relative_path).is_file()
    }
    if not present:
        return ()
    comparison = api.plan_upload(
        store, present, plan.location.container, api.UploadOptions(checksum_cache=ChecksumCache(default_path()))
    )
    return [one.name.removeprefix(plan.prefix) for one in comparison.uploads]


def _internal_objects(names: Sequence[str]) -> list[str]:
    return [one for one in names if is_internal(one)]
