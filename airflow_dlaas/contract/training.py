"""A training run, as the service reports it."""

from __future__ import annotations

from pydantic import Field

from airflow_dlaas.contract.base import ApiList, ApiModel, RequestModel, Timestamp
from airflow_dlaas.contract.definition import ModelDefinition
from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.listing import Listing
from airflow_dlaas.contract.state import Phase, TrainingState


class MetricValue(ApiModel):
    """One named number."""

    name: str
    value: float


class Metric(ApiModel):
    """Numbers measured at one step of a training."""

    timestamp: Timestamp
    iteration: int
    phase: str = ""
    values: ApiList[MetricValue]


class PhaseTime(ApiModel):
    """When a training entered a phase; the next one's begin, or the training's end, is this one's end."""

    phase: Phase
    since: Timestamp


class GpuUsage(ApiModel):
    """What one GPU is used for: percent of its time, bytes of its memory."""

    name: str
    utilization: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None


class ResourceUsage(ApiModel):
    """What a training's processes use at one moment. Memory they share counts once for each."""

    at: Timestamp
    memory_bytes: int | None = None
    cpu_percent: float | None = None
    """Percent of one core: 400 are four of them."""
    gpus: ApiList[GpuUsage] = ()


class TrainingStatus(ApiModel):
    """
    How a training is doing.

    ``current_at`` is the service's clock when it answered. At the end ``message`` is ``"<id>: <exit code>"``,
    with an empty code when all went well. What comes after ``error`` is ours.
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
    """How many trainings start before this one, where it waits for GPUs."""
    gpus: tuple[str, ...] | None = None
    """The GPU slots it holds or held: indices, UUIDs, or ``virtual:N`` on a machine without GPUs."""
    cancel_requested: bool | None = None
    """True from the moment it was asked to stop until it has ended."""
    runtime: str | None = None
    """What really runs it, in words: "TensorFlow 2.21.0 through its v1 API (compatibility entry for 1.2-py3)"."""
    isolation: str | None = None
    """What keeps its command from the rest of the machine: ``bubblewrap``, ``container`` or ``none``."""
    phases: ApiList[PhaseTime] | None = None
    """The phases it has gone through, in order."""
    usage: ResourceUsage | None = None
    """What it uses now, while its command runs."""
    warnings: ApiList[str] | None = None
    """What went wrong without failing the training: files that could not be stored, each with the reason."""
    event_folders: ApiList[str] | None = None
    """Folders with TensorBoard event files, named as they lie below the results' location at the end."""
    acknowledged_at: Timestamp | None = None
    """When the client confirmed that it has taken the result (`Extensions.acknowledgement`); absent until then."""


class ResultsLocation(ApiModel):
    """Where results lie: a container, and the prefix in it."""

    container: str
    model_location: str


class ResultsReport(ApiModel):
    """The part of `training_results` that tells where results lie; there once they exist."""

    location: ResultsLocation | None = None


class TrainingEntity(ApiModel):
    """
    What was asked for, and how it is doing.

    A client reads this part of the reply only: the echoed store connections are left on the wire, since old
    servers do not mask their secrets.
    """

    model_definition: ModelDefinition
    training_results: ResultsReport | None = None
    status: TrainingStatus


class Training(ApiModel):
    """A training run. ``metadata.guid`` is its id; ``metadata.url`` is relative [page]."""

    metadata: Metadata
    entity: TrainingEntity

    @property
    def id(self) -> str:
        """The training's id, ``training-`` and nine characters."""
        return self.metadata.guid

    @property
    def status(self) -> TrainingStatus:
        """How it is doing."""
        return self.entity.status

    @property
    def state(self) -> TrainingState:
        """Its state."""
        return self.entity.status.state


class NextPage(ApiModel):
    """Where a long listing goes on."""

    url: str


class TrainingList(Listing[Training]):
    """Trainings, newest first."""

    next: NextPage | None = None


class ModelDefinitionSummary(ApiModel):
    """The part of a model definition that tells whose training it is."""

    description: str | None = None


class TrainingSummaryEntity(ApiModel):
    """The part of a training that is the same in every state, known or not."""

    model_definition: ModelDefinitionSummary = Field(default_factory=ModelDefinitionSummary)


UNREADABLE_RECORD = "unreadable_record"
"""Code of the error in the status of a training whose record the service cannot read (ours)."""


class UnreadableStatus(ApiModel):
    """The status of a training whose record the service cannot read: `message` and `error` give the reason."""

    state: TrainingState
    submitted_at: Timestamp
    current_at: Timestamp
    message: str
    error: ErrorReport


class UnreadableEntity(ApiModel):
    """What is shown of a training whose record the service cannot read."""

    model_definition: ModelDefinitionSummary | None = None
    status: UnreadableStatus


class UnreadableTraining(ApiModel):
    """What the service shows in place of a training whose record it cannot read (ours)."""

    metadata: Metadata
    entity: UnreadableEntity


class TrainingSummary(ApiModel):
    """A training's identity and description; it can be read whatever became of the training."""

    metadata: Metadata
    entity: TrainingSummaryEntity


class TrainingSummaryList(Listing[TrainingSummary]):
    """A page of the listing, skimmed."""

    next: NextPage | None = None


class TrainingChanges(Listing[Training]):
    """
    What changed since a cursor (ours).

    ``resources`` are the trainings changed after the cursor that was asked for, oldest change first;
    asking again with ``cursor`` continues without a gap.
    """

    cursor: str


class PatchOperation(RequestModel):
    """The one change of a training that the API knows: its state becomes `canceled`."""

    op: str
    path: str
    value: str


CANCEL_PATCH = (PatchOperation(op="replace", path="/status/state", value=str(TrainingState.CANCELED)),)
"""The body of a cancel request."""


class Extensions(ApiModel):
    """What this service can do beyond the page (ours); advertised in the instance reply, absent elsewhere."""

    idempotency_key: bool = False
    """`Idempotency-Key` on POST /v3/models is honoured."""
    changes: bool = False
    """`GET /v3/models?after=CURSOR&wait=SECONDS` answers with `TrainingChanges`."""
    runtimes: bool = False
    """`GET /v3/runtimes` lists what can be run."""
    curves: bool = False
    """`GET /v3/models/{id}/metrics` and ``/log`` tell curves and log in pieces (`airflow_dlaas.contract.curves`)."""
    metric_definitions: bool = False
    """A definition's `metric_definitions` are heeded."""
    acknowledgement: bool = False
    """`PUT /v3/models/{id}/acknowledgement` records that the result of a completed training was taken."""


class ServiceInstanceEntity(ApiModel):
    """What the service says of itself."""

    source: str = ""
    plan: str = ""
    status: str = ""
    extensions: Extensions = Field(default_factory=Extensions)


class ServiceInstance(ApiModel):
    """A service instance; clients ask for it before anything else."""

    metadata: Metadata
    entity: ServiceInstanceEntity


class Runtime(ApiModel):
    """One entry of the service's catalogue (ours)."""

    framework: str
    version: str
    aliases: tuple[str, ...] = ()
    provides: str
    """What really runs, in words."""
    compatibility: bool = False
    """Whether something newer stands in for the version named, through a compatibility layer."""
    unavailable: str | None = None
    """Why it cannot be used now."""


class RuntimeList(Listing[Runtime]):
    """The service's catalogue (ours), and how many GPU slots it has."""

    gpus: int
