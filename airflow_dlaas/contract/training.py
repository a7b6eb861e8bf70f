"""A training run, as the service reports it."""

from __future__ import annotations

from pydantic import Field

from airflow_dlaas.contract.base import Many, Moment, RequestModel, Word
from airflow_dlaas.contract.definition import ModelDefinition
from airflow_dlaas.contract.error import Problem
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.listing import Listing
from airflow_dlaas.contract.state import Phase, TrainingState


class MetricValue(Word):
    """One named number."""

    name: str
    value: float


class Metric(Word):
    """Numbers measured at one step of a training."""

    timestamp: Moment
    iteration: int
    phase: str = ""
    values: Many[MetricValue]


class PhaseTime(Word):
    """When a training entered a phase; the next one's begin, or the training's end, is this one's end."""

    phase: Phase
    since: Moment


class GpuUse(Word):
    """What one GPU is used for: percent of its time, bytes of its memory."""

    name: str
    utilization: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None


class Usage(Word):
    """What a training's processes use at one moment. Memory they share counts once for each."""

    at: Moment
    memory_bytes: int | None = None
    cpu_percent: float | None = None
    """Percent of one core: 400 are four of them."""
    gpus: Many[GpuUse] = ()


class Status(Word):
    """
    How a training is doing.

    ``current_at`` is the service's clock when it answered. At the end ``message`` is ``"<id>: <exit code>"``,
    with an empty code when all went well. What comes after ``error`` is ours.
    """

    state: TrainingState
    submitted_at: Moment
    running_at: Moment | None = None
    finished_at: Moment | None = None
    current_at: Moment
    message: str | None = None
    metrics: Many[Metric] = ()
    error: Problem | None = None
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
    phases: Many[PhaseTime] | None = None
    """The phases it has gone through, in order."""
    usage: Usage | None = None
    """What it uses now, while its command runs."""
    warnings: Many[str] | None = None
    """What went wrong without failing the training: files that could not be stored, each with the reason."""
    event_folders: Many[str] | None = None
    """Folders with TensorBoard event files, named as they lie below the results' location at the end."""
    acknowledged_at: Moment | None = None
    """When the client confirmed that it has taken the result (`Extensions.acknowledgement`); absent until then."""


class ResultsLocation(Word):
    """Where results lie: a container, and the prefix in it."""

    container: str
    model_location: str


class ResultsReport(Word):
    """The part of `training_results` that tells where results lie; there once they exist."""

    location: ResultsLocation | None = None


class TrainingEntity(Word):
    """
    What was asked for, and how it is doing.

    A client reads this part of the reply only: the echoed store connections are left on the wire, since old
    servers do not mask their secrets.
    """

    model_definition: ModelDefinition
    training_results: ResultsReport | None = None
    status: Status


class Training(Word):
    """A training run. ``metadata.guid`` is its id; ``metadata.url`` is relative [page]."""

    metadata: Metadata
    entity: TrainingEntity

    @property
    def id(self) -> str:
        """The training's id, ``training-`` and nine characters."""
        return self.metadata.guid

    @property
    def status(self) -> Status:
        """How it is doing."""
        return self.entity.status

    @property
    def state(self) -> TrainingState:
        """Its state."""
        return self.entity.status.state


class NextPage(Word):
    """Where a long listing goes on."""

    url: str


class TrainingList(Listing[Training]):
    """Trainings, newest first."""

    next: NextPage | None = None


class OutlinedModel(Word):
    """The part of a model definition that tells whose training it is."""

    description: str | None = None


class OutlinedEntity(Word):
    """The part of a training that is the same in every state, known or not."""

    model_definition: OutlinedModel = Field(default_factory=OutlinedModel)


UNREADABLE_RECORD = "unreadable_record"
"""Code of the error in the status of a training whose record the service cannot read (ours)."""


class UnreadableStatus(Word):
    """The status of a training whose record the service cannot read: `message` and `error` give the reason."""

    state: TrainingState
    submitted_at: Moment
    current_at: Moment
    message: str
    error: Problem


class UnreadableEntity(Word):
    """What is shown of a training whose record the service cannot read."""

    model_definition: OutlinedModel | None = None
    status: UnreadableStatus


class UnreadableTraining(Word):
    """What the service shows in place of a training whose record it cannot read (ours)."""

    metadata: Metadata
    entity: UnreadableEntity


class TrainingOutline(Word):
    """A training's identity and description; it can be read whatever became of the training."""

    metadata: Metadata
    entity: OutlinedEntity


class TrainingOutlines(Listing[TrainingOutline]):
    """A page of the listing, skimmed."""

    next: NextPage | None = None


class TrainingChanges(Listing[Training]):
    """
    What changed since a cursor (ours).

    ``resources`` are the trainings changed after the cursor that was asked for, oldest change first;
    asking again with ``cursor`` continues without a gap.
    """

    cursor: str


class Patch(RequestModel):
    """The one change of a training that the API knows: its state becomes `canceled`."""

    op: str
    path: str
    value: str


CANCEL = (Patch(op="replace", path="/status/state", value=str(TrainingState.CANCELED)),)
"""The body of a cancel request."""


class Extensions(Word):
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


class InstanceEntity(Word):
    """What the service says of itself."""

    source: str = ""
    plan: str = ""
    status: str = ""
    extensions: Extensions = Field(default_factory=Extensions)


class Instance(Word):
    """A service instance; clients ask for it before anything else."""

    metadata: Metadata
    entity: InstanceEntity


class Runtime(Word):
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
