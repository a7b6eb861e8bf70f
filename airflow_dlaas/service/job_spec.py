"""The specification of a job: what the learner runs, and on which runtime. No I/O."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from airflow_dlaas.contract.base import ApiModel
from airflow_dlaas.contract.execution import DEFAULT_GRACE
from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.contract.results import attempt_folder
from airflow_dlaas.service.job_settings import DEFAULT_LOG_LIMIT, DataCacheSettings, IsolationMode, MountRoot
from airflow_dlaas.service.object_store_allowlist import ALLOW_ANY, ObjectStoreAllowlist
from airflow_dlaas.service.package_settings import PackageSettings


class RuntimeSpec(ApiModel):
    """A resolved catalogue entry: all that the learner needs to provide the runtime."""

    key: str
    kind: str
    """``uv``, ``venv``, ``prefix`` or ``container``."""
    provides: str
    requirements: tuple[str, ...] = ()
    """For ``uv``: what is installed into the environment."""
    otherwise: tuple[str, ...] = ()
    """For ``uv``: what is installed instead where `requirements` are not available."""
    room: int = 0
    """For ``uv``: bytes of disk that the environment needs."""
    python: str | None = None
    """For ``uv``: the interpreter (version or path) of the environment; for ``venv``: its ``bin`` directory."""
    path: tuple[str, ...] = ()
    ld_library_path: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    shim: str | None = None
    """Name of a compatibility layer that is put on PYTHONPATH."""
    image: str | None = None
    compatibility: bool = False


class LocalData(ApiModel):
    """A folder or a file of training data on the machine of the job."""

    name: str
    """The name of its folder in DATA_DIR, if there are several."""
    path: Path


class JobFolders(ApiModel):
    """The data and the results of a job that has no object store: folders of its machine."""

    data: tuple[LocalData, ...] = ()
    results: Path
    """The folder that model, checkpoints and logs are stored in."""


class CheckpointSource(ApiModel):
    """Where checkpoints of a training are: in the object store of the results of the job that reads them."""

    training_id: str
    container: str


class JobSpec(ApiModel):
    """What to run."""

    training_id: str
    attempt: int = 1
    """The number of the attempt, from 1."""
    checkpoint_sources: tuple[CheckpointSource, ...] = ()
    """Earlier trainings with whose checkpoints this one may begin (`resume_from`), in the order of preference: the
    next one counts if one has no checkpoint. Those of the training itself come before them."""
    checkpoints_kept: int = 2
    """The number of complete checkpoints that are kept in the results container; 0: none is stored during the run."""
    grace: float = DEFAULT_GRACE
    """Seconds between SIGTERM and SIGKILL for a command that is stopped."""
    command: str
    runtime: RuntimeSpec
    code: Path
    """The archive of the code."""
    environments: Path
    """The directory of the environments that uv makes, which all jobs share."""
    gpus: tuple[str, ...]
    """Names of the reserved slots; ``virtual:N`` slots are no devices."""
    timeout: float | None = None
    """Seconds that the command may run by the service's limit; None: no limit. The definition may have a lower one."""
    given: ResourceAmounts = Field(default_factory=ResourceAmounts)
    """The resources of the training: as requested, with the service's defaults."""
    cgroups: str = "auto"
    """``auto``, ``off``, or the path of a delegated control group: where the learner limits CPUs and memory."""
    allow_nested: bool = False
    """Whether the archive may contain directories, an extension: the documentation of 2017 requires a flat archive."""
    unpacked_limit: int = 2 * 1024**3
    """Bytes that the archive may unpack to."""
    isolation: IsolationMode = "auto"
    secrets_without_isolation: bool = False
    """Whether a command with secrets may run without isolation."""
    visible: tuple[Path, ...] = ()
    """Paths that an isolated command may read besides the system, the runtime and its own directories: data of the
    site, for example."""
    log_limit: int = DEFAULT_LOG_LIMIT
    """Bytes of the command's output that are kept."""
    folders: JobFolders | None = None
    """Folders for data and results; None: the object stores of the definition."""
    object_stores: ObjectStoreAllowlist = ALLOW_ANY
    """The object stores that the learner may call; a spec.json of an earlier release names none."""
    data_cache: DataCacheSettings | None = None
    """None: data is loaded without a cache."""
    mount_roots: tuple[MountRoot, ...] = ()
    """The folders below which mounted folders may be."""
    packages: PackageSettings = PackageSettings()
    """Where packages that the code requires come from, without credentials."""

    @property
    def results_folder(self) -> str:
        """The folder of the attempt's results in the container, without a slash at the end."""
        return attempt_folder(self.training_id, self.attempt)
