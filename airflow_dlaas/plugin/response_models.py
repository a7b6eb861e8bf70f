"""
The JSON documents that the pages receive.

They are the response models of the plugin's API. ``ui/src/api/types.ts`` is generated from their OpenAPI schema
by ``ui/generate_types.py``, and a test compares. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from airflow_dlaas.contract.attempts import AttemptReport, CheckpointReport, ResumedFrom
from airflow_dlaas.contract.base import Timestamp
from airflow_dlaas.contract.data_report import DataReport, LoadProgress
from airflow_dlaas.contract.resource_report import ResourceReport
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import ResourceUsage
from airflow_dlaas.plugin.xcoms import TaskInstanceRef

Source = Literal["service", "task"]
"""Where a training's data comes from: the service, or the XCom that the task stored at its end."""

NonFinite = Literal["NaN", "Infinity", "-Infinity"]
"""A value that JSON has no number for; JavaScript's ``Number`` reads it."""

MetricNumber = float | NonFinite

CurvePoint = tuple[float, MetricNumber, float]
"""Iteration; value; seconds since the epoch."""


class ResponseModel(BaseModel):
    """Base of the documents; every key is always present, and null where there is no value."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, json_schema_serialization_defaults_required=True
    )


class TrainingListItem(ResponseModel):
    """A training as lists show it."""

    ref: TaskInstanceRef
    connection: str
    """The id of the Airflow connection to the service."""
    id: str | None
    """null: not submitted yet."""
    state: TrainingState | None
    """null: not submitted yet; where there is an id: unknown, because the service does not answer."""
    phase: str | None
    """queued, preparing, recovering, loading, processing or storing; null in a final state."""
    attempt: int | None
    """Number of its attempt, from 1; null where the service does not report it."""
    max_attempts: int | None
    """How many attempts its definition allows; null where it has no ``recovery``."""
    name: str
    framework: str
    """Name and version as in the definition: ``tensorflow 2.21``."""
    runtime: str | None
    """Description of the runtime that the service chose."""
    resource_type: str
    """small, medium or large, or the requested resources: ``2 GPUs, 16GiB memory``."""
    requested_gpus: int
    """Number of GPUs that it requests."""
    submitted_at: Timestamp | None
    running_at: Timestamp | None
    finished_at: Timestamp | None
    queue_position: int | None
    """Number of trainings that start before this one, where it waits for GPUs."""
    gpus: list[str]
    metrics: dict[str, MetricNumber]
    """The last value of each metric, by ``phase/name``, or ``name`` where there is no phase."""
    progress_metrics: list[str]
    """The keys of `metrics` whose value a redrawn progress bar showed, within an epoch."""
    note: str
    tags: list[str]
    parameters: dict[str, str]
    """Options of the command line: ``--learningRate 0.001``."""
    source: Source


class PhaseInterval(ResponseModel):
    """How long a training was in one phase."""

    phase: str
    since: Timestamp
    until: Timestamp | None
    """null while the phase lasts."""


class TrainingError(ResponseModel):
    """One cause of a training's failure."""

    code: str
    message: str


class ResultsLocation(ResponseModel):
    """Where a training's results are in the object store."""

    container: str
    location: str


class TrainingDetail(TrainingListItem):
    """A training as its own page shows it."""

    description: str
    message: str | None
    errors: list[TrainingError]
    phases: list[PhaseInterval]
    attempts: list[AttemptReport]
    """All attempts, the first one first; empty while there is only one."""
    checkpoint: CheckpointReport | None
    """The newest complete checkpoint in its results container."""
    resumed_from: ResumedFrom | None
    """The checkpoint that its attempt began with."""
    waits_for: str | None
    """The id of the training whose end it waits for."""
    loading: LoadProgress | None
    """The progress of its training data; null unless it is loaded now."""
    data: DataReport | None
    """The training data that it read; null before it was loaded, and where the service does not report it."""
    usage: ResourceUsage | None
    """null in a final state, and while nothing was measured."""
    resources: ResourceReport | None
    """What it requested, was given and used; null where the service does not report it."""
    isolation: str | None
    cancel_requested: bool
    warnings: list[str]
    """Problems that did not fail the training, also while it runs."""
    definition: Any
    """The training definition; values of secrets are masked."""
    results: ResultsLocation | None
    event_folder: str | None
    """The folder in the results that contains TensorBoard's event files."""
    tensorboard: str | None
    """URL of this training in the TensorBoard that the connection names."""


class Try(ResponseModel):
    """One of the trainings that a task instance submitted: one for each try or clear."""

    id: str
    state: TrainingState
    submitted_at: Timestamp
    current: bool
    """Whether this is the task's current training."""


class TaskInstanceStatus(ResponseModel):
    """State of the task instance, as Airflow's API returns it."""

    state: str | None
    operator: str | None
    try_number: int
    max_tries: int


class TaskResponse(ResponseModel):
    """A task instance and its training."""

    ref: TaskInstanceRef
    task: TaskInstanceStatus
    tries: list[Try]
    """Newest first."""
    training: TrainingDetail | None
    """The requested training, else the current one; null where the task has none yet."""
    may_edit: bool
    """Whether the user may cancel the training, and change its note and tags."""
    annotations: bool
    """Whether the service of this training keeps notes and tags."""
    service_error: str | None
    """Why the service does not answer now, in one sentence."""


class CurveSeries(ResponseModel):
    """One metric over the iterations."""

    name: str
    phase: str
    """``train``, ``validation``, or empty where the phase is unknown."""
    axis: Literal["epoch", "step", "time"] | None
    """What the iterations count; ``time``: they do not increase, so that the chart shows the points over time."""
    progress: bool
    """Whether a redrawn progress bar showed the values."""
    total: int
    """Number of points that the service has; ``points`` may have fewer."""
    points: list[CurvePoint]


class CurvesResponse(ResponseModel):
    """The curves of a training."""

    version: str
    """Pass it as ``unless`` with the next request: while nothing changed, ``series`` is null then."""
    series: list[CurveSeries] | None
    complete: bool
    """Whether no more points can come."""


class TrainingList(ResponseModel):
    """The trainings of a run, of a DAG or of all DAGs."""

    trainings: list[TrainingListItem]
    """Newest first."""
    service_errors: list[str]
    """One sentence for each service that does not answer now."""
    unavailable: list[str]
    """The connections of these services: which of their trainings wait or have GPUs is not known now."""


class ResultFile(ResponseModel):
    """An object that a training stored."""

    name: str
    """Below the folder of the results: ``model/weights.h5``."""
    size: int
    modified_at: Timestamp | None
    preview: Literal["text", "image"] | None
    """How the page can show its first bytes; null where it cannot."""


class ResultFiles(ResponseModel):
    """The objects in the folder of a training's results, by name."""

    container: str
    location: str
    files: list[ResultFile]
    truncated: bool
    """Whether there are more than the list has."""


class DataObject(ResponseModel):
    """An object of training data."""

    name: str
    size: int
    digest: str
    """``md5:`` and hex, or ``etag:`` and an ETag."""


class SourceObjects(ResponseModel):
    """The objects that a training read from one source."""

    name: str
    total: int
    """Number of the objects; ``objects`` may have fewer."""
    objects: list[DataObject]
    """By name."""


class DataObjects(ResponseModel):
    """The objects of all sources, in the order of the definition."""

    sources: list[SourceObjects]


class SourceComparison(ResponseModel):
    """How one source differs between two trainings."""

    name: str
    prefix: str
    equal: bool
    only_in: Literal["this", "other"] | None
    """Which of the two trainings has this source, where only one has it."""
    added: list[str]
    """Objects that this training read and the other did not; the totals count those beyond the list, too."""
    removed: list[str]
    changed: list[str]
    added_total: int
    removed_total: int
    changed_total: int


class DataComparison(ResponseModel):
    """How the training data differs between two trainings."""

    equal: bool
    sources: list[SourceComparison]


class TextPreview(ResponseModel):
    """The first bytes of a result, as text; control characters are escaped."""

    text: str
    truncated: bool


class UsagePointSeries(ResponseModel):
    """One resource over time."""

    resource: str
    """``cpu``, ``memory``, ``gpu`` or ``gpu_memory``."""
    unit: str
    """``percent`` or ``bytes``."""
    device: str
    """The GPU; empty for CPU and memory."""
    limit: float | None
    points: list[tuple[float, float]]
    """Seconds since the epoch, and the value."""


class UsageResponse(ResponseModel):
    """The resources that a training used over time."""

    series: list[UsagePointSeries]
    complete: bool


class Failure(ResponseModel):
    """Why a training's command failed, as far as its log shows it."""

    exception: str | None
    """The last line of a traceback: ``ValueError: shapes do not match``."""
    lines: list[str]
    """The last lines of the log, without redraws, colours and control characters."""


class TrainingRequest(BaseModel):
    """The training that a request changes; its DAG is in the query: Airflow checks the permission for that DAG."""

    run_id: str
    task_id: str
    map_index: int = -1
    training_id: str


class CancelRequest(TrainingRequest):
    """The training to cancel."""


class AnnotationsRequest(TrainingRequest):
    """The note and the tags that a training gets, both together."""

    note: str
    tags: list[str]


class CancelResponse(ResponseModel):
    """The service accepted the request; the training's next state shows the result."""
