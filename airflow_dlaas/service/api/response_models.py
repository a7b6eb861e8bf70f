"""
Models of documents that only the service uses: trainings and runtimes as it reports them, and the token.

The models of `airflow_dlaas.contract` have the keys that the client reads; these have all keys of a response.
"""

from __future__ import annotations

from airflow_dlaas.contract.base import ApiModel, RequestModel
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.contract.metric_definition import MetricDefinition
from airflow_dlaas.contract.stores import AnyConnection, ContainerRef, StoreReference, TrainingData
from airflow_dlaas.contract.training import NextPage, ResultsReport, Training, TrainingEntity, UnreadableTraining


class TokenBody(RequestModel):
    """A token, in a request or a response."""

    token: str


class ReportedResults(StoreReference, ResultsReport):
    """Where the results are to be stored, as in the definition, and their location once they are stored."""

    target: ContainerRef | None = None
    source: ContainerRef | None = None
    connection: AnyConnection | None = None


class ReportedEntity(TrainingEntity):
    """The definition with masked secrets, and the status of the training."""

    training_data: tuple[TrainingData, ...]
    training_results: ReportedResults | None = None
    metric_definitions: tuple[MetricDefinition, ...] | None = None


class ReportedTraining(Training):
    """A training as the service reports it, including keys that the client of this package does not read."""

    entity: ReportedEntity


class ReportedPage(ApiModel):
    """A page of trainings, newest first. A record that the service cannot read is listed as such."""

    resources: tuple[ReportedTraining | UnreadableTraining, ...]
    next: NextPage | None = None


class ReportedChanges(ApiModel):
    """Trainings that have changed, the oldest change first, and the cursor for the next request."""

    resources: tuple[ReportedTraining | UnreadableTraining, ...]
    cursor: str


class ReportedRuntimes(ApiModel):
    """The catalogue of runtimes, and the number of GPU slots."""

    resources: tuple[Runtime, ...]
    gpus: int
    catalogue_problem: str | None = None
    images: str | None = None
