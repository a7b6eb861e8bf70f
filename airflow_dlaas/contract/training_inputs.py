"""
Trainings as a listing has them, with what they read: the trainings that they begin with, and their data.

The connections in the definition are not read, because old servers do not mask their secrets.
"""

from __future__ import annotations

from airflow_dlaas.contract.base import ApiList, ApiModel
from airflow_dlaas.contract.listing import Listing
from airflow_dlaas.contract.training import NextPage, ResultsReport, Training, TrainingEntity


class NamedContainer(ApiModel):
    """The container of a definition, or the part of one. A mounted folder has none."""

    container: str | None = None
    bucket: str | None = None
    prefix: str | None = None

    @property
    def name(self) -> str | None:
        """The name of the container."""
        return self.container or self.bucket


class NamedData(ApiModel):
    """A source of training data."""

    source: NamedContainer | None = None


class NamedResults(ResultsReport):
    """The container for results, and the location of the results once they are stored."""

    target: NamedContainer | None = None
    source: NamedContainer | None = None


class TrainingInputsEntity(TrainingEntity):
    """The content of a `TrainingInputs`."""

    training_data: ApiList[NamedData] = ()
    training_results: NamedResults | None = None
    resume_from: str | None = None


class TrainingInputs(Training):
    """A training with what it reads."""

    entity: TrainingInputsEntity

    @property
    def started_from(self) -> frozenset[str]:
        """The ids of the trainings with whose checkpoints it begins or has begun, other than itself."""
        status = self.status
        resumed = [status.resumed_from, *(one.resumed_from for one in status.attempts or ())]
        ids = {one.training_id for one in resumed if one is not None}
        ids |= {one for one in (self.entity.resume_from, status.waits_for) if one}
        return frozenset(ids - {self.id})

    @property
    def results_container(self) -> str | None:
        """The name of the container of its results: of the location, or where the definition has them stored."""
        results = self.entity.training_results
        if results is not None and results.location is not None:
            return results.location.container
        named = (results.target or results.source) if results is not None else None
        if named is None:
            named = next((one.source for one in self.entity.training_data if one.source and one.source.name), None)
        return named.name if named is not None else None


class TrainingInputsList(Listing[TrainingInputs]):
    """A page of the list of trainings, newest first."""

    next: NextPage | None = None
