"""Trainings and the service itself, as the service reports them."""

from __future__ import annotations

from pydantic import Field

from airflow_dlaas.contract.attempts import AttemptReport, CheckpointReport, ResumedFrom
from airflow_dlaas.contract.base import ApiList, ApiModel, RequestModel, Timestamp
from airflow_dlaas.contract.data_report import DataReport, LoadProgress
from airflow_dlaas.contract.definition import ModelDefinition
from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.listing import Listing
from airflow_dlaas.contract.resource_report import ResourceReport
from airflow_dlaas.contract.state import Phase, TrainingState


class MetricValue(ApiModel):
    """A number with a name."""

    name: str
    value: float


class Metric(ApiModel):
    """Numbers measured at one step of a training."""

    timestamp: Timestamp
    iteration: int
    phase: str = ""
    values: ApiList[MetricValue]
    axis: str | None = None
    """What `iteration` counts: ``epoch`` or ``step``; None if it is unknown. An extension, as the keys below."""
    progress: bool | None = None
    """True for values that a progress bar showed while it was redrawn: measured within an epoch, often smoothed."""
    event_folder: str | None = None
    """The folder of the event file that the values come from, relative to the folder that was searched."""
    attempt: int | None = None
    """The attempt that measured it; None for the first one."""


class PhaseTime(ApiModel):
    """The time when a phase began. It ended when the next one began, or with the training."""

    phase: Phase
    since: Timestamp


class GpuUsage(ApiModel):
    """The usage of one GPU: percent of its time, bytes of its memory."""

    name: str
    utilization: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None


class ResourceUsage(ApiModel):
    """The resources that a training's processes use at a point in time. Shared memory counts once for each process."""

    at: Timestamp
    memory_bytes: int | None = None
    cpu_percent: float | None = None
    """Percent of one core: 400 means four cores."""
    gpus: ApiList[GpuUsage] = ()


class TrainingStatus(ApiModel):
    """
    The status of a training.

    ``current_at`` is the service's clock at the time of the response. After the end, ``message`` is
    ``"<id>: <exit code>"``, with an empty code after a success. The keys after ``error`` are ours.
    """

    state: TrainingState
    submitted_at: Timestamp
    running_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    current_at: Timestamp
    message: str | None = None
    metrics: ApiList[Metric] = ()
    error: ErrorReport | None = None
    phase: Phase | None = None
    queue_position: int | None = None
    """The number of trainings that start before this one, if it waits for GPUs."""
    gpus: tuple[str, ...] | None = None
    """The GPU slots that it has or had: indices, UUIDs, or ``virtual:N`` on a machine without GPUs."""
    cancel_requested: bool | None = None
    """True from the cancel request until the end of the training."""
    runtime: str | None = None
    """The software that runs it, in words: "TensorFlow 2.21.0 through its v1 API (compatibility entry for 1.2-py3)"."""
    isolation: str | None = None
    """The isolation of its command from the rest of the machine: ``bubblewrap``, ``container`` or ``none``."""
    phases: ApiList[PhaseTime] | None = None
    """Its phases so far, in order."""
    usage: ResourceUsage | None = None
    """The resources that it uses now, while its command runs."""
    resources: ResourceReport | None = None
    """The resources that it requested, was given and used."""
    warnings: ApiList[str] | None = None
    """Problems that did not fail the training: times without work that its watchdog found, also while it runs, and
    files that could not be stored, each with the reason."""
    stalled_seconds: float | None = None
    """Seconds in which its watchdog found that the command did no work, so far; absent without any."""
    event_folders: ApiList[str] | None = None
    """Folders with TensorBoard event files: their paths below the location of the results, as after the end."""
    acknowledged_at: Timestamp | None = None
    """When the client acknowledged that it has taken the result (`Extensions.acknowledgement`); absent until then."""
    note: str | None = None
    """The note that people gave it (`Extensions.annotations`); absent without one."""
    tags: ApiList[str] | None = None
    """The tags that people gave it (`Extensions.annotations`); absent without any."""
    loading: LoadProgress | None = None
    """The progress of its training data, in the phase `loading`."""
    data: DataReport | None = None
    """The training data that it has read; absent before it was loaded."""
    attempt: int | None = None
    """The number of its attempt, from 1; while it waits for the next one (phase `recovering`), that of the next one."""
    attempts: ApiList[AttemptReport] | None = None
    """All attempts, the first one first; absent while there is only one."""
    checkpoint: CheckpointReport | None = None
    """The newest complete checkpoint in its results container; absent without any."""
    resumed_from: ResumedFrom | None = None
    """The checkpoint that the attempt began with; absent without one."""
    waits_for: str | None = None
    """The id of the training whose end it waits for (`resume_from`), while it does."""


class ResultsLocation(ApiModel):
    """The location of results: a container, and the prefix in it."""

    container: str
    model_location: str


class ResultsReport(ApiModel):
    """The part of `training_results` with the location of the results; present when there are results."""

    location: ResultsLocation | None = None


class RecoveryReport(ApiModel):
    """The part of `recovery` with the number of attempts; present when the definition has the key."""

    attempts: int | None = None
    """All attempts, the first one included."""


class TrainingEntity(ApiModel):
    """
    The definition of a training, the location of its results, and its status.

    A client reads only this part of the response. It ignores the store connections in it, because old servers do not
    mask their secrets.
    """

    model_definition: ModelDefinition
    training_results: ResultsReport | None = None
    recovery: RecoveryReport | None = None
    status: TrainingStatus


class Training(ApiModel):
    """A training. ``metadata.guid`` is its id; ``metadata.url`` is relative, as in the documentation of 2017."""

    metadata: Metadata
    entity: TrainingEntity

    @property
    def id(self) -> str:
        """The training's id, ``training-`` and nine characters."""
        return self.metadata.guid

    @property
    def status(self) -> TrainingStatus:
        """Its status."""
        return self.entity.status

    @property
    def state(self) -> TrainingState:
        """Its state."""
        return self.entity.status.state


class NextPage(ApiModel):
    """The URL of the next page of a list."""

    url: str


class TrainingList(Listing[Training]):
    """Trainings, newest first."""

    next: NextPage | None = None


class ModelDefinitionSummary(ApiModel):
    """The part of a model definition that identifies the task of a training: its description."""

    description: str | None = None


class TrainingSummaryEntity(ApiModel):
    """The part of a training that is the same in every state, also in an unknown one."""

    model_definition: ModelDefinitionSummary = Field(default_factory=ModelDefinitionSummary)


UNREADABLE_RECORD = "unreadable_record"
"""The code of the error in the status of a training whose record the service cannot read (an extension)."""


class UnreadableStatus(ApiModel):
    """The status of a training whose record the service cannot read: `message` and `error` give the reason."""

    state: TrainingState
    submitted_at: Timestamp
    current_at: Timestamp
    message: str
    error: ErrorReport


class UnreadableEntity(ApiModel):
    """The content of an `UnreadableTraining`."""

    model_definition: ModelDefinitionSummary | None = None
    status: UnreadableStatus


class UnreadableTraining(ApiModel):
    """The response for a training whose record the service cannot read (an extension)."""

    metadata: Metadata
    entity: UnreadableEntity


class TrainingSummary(ApiModel):
    """A training's id and description; it can be read in every state of the training."""

    metadata: Metadata
    entity: TrainingSummaryEntity


class TrainingSummaryList(Listing[TrainingSummary]):
    """A page of the list of trainings, with ids and descriptions only."""

    next: NextPage | None = None


class TrainingChanges(Listing[Training]):
    """
    The trainings that changed after a cursor (an extension), the oldest change first.

    A request with ``cursor`` continues without a gap.
    """

    cursor: str


class PatchOperation(RequestModel):
    """The only change of a training in the API: its state becomes `canceled`."""

    op: str
    path: str
    value: str


CANCEL_PATCH = (PatchOperation(op="replace", path="/status/state", value=str(TrainingState.CANCELED)),)
"""The body of a cancel request."""
