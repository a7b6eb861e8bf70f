"""The job directories of the service: their location, and the specification of each job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.execution import DEFAULT_GRACE
from airflow_dlaas.service.dispatcher.free_resources import UNLIMITED, Capacity, given_amounts
from airflow_dlaas.service.job_attempts import needs_preparation, put_away_earlier_attempt
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_reports import ExitFile
from airflow_dlaas.service.job_settings import DEFAULT_LOG_LIMIT, DataCacheSettings, IsolationMode, MountRoot
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from airflow_dlaas.service.object_store_allowlist import ALLOW_ANY, ObjectStoreAllowlist
from airflow_dlaas.service.package_settings import PackageSettings
from airflow_dlaas.service.store.records import TrainingOutcome, TrainingRecord


@dataclass(frozen=True, slots=True)
class JobDirectories:
    """What all jobs of this service have in common: their paths and their limits."""

    jobs_dir: Path
    """The parent of all job directories, which are named by the training's id."""
    environments_dir: Path
    """The directory of the environments that uv makes, which all jobs share."""
    code_path: Callable[[str], Path]
    """Return the path of the archive with this digest."""
    runtime_spec: Callable[[str], RuntimeSpec]
    """Return the catalogue entry with this key; raise a `DlaasError` if the catalogue no longer has it."""
    run_timeout: float | None = None
    """Seconds that a command may run; None: no limit."""
    max_unpacked_bytes: int = 2 * 1024**3
    """Bytes that an archive may unpack to."""
    isolation: IsolationMode = "auto"
    secrets_without_isolation: bool = False
    """Whether commands with secrets may run without isolation."""
    readable_paths: tuple[Path, ...] = ()
    """Paths that isolated commands may read besides the system, their runtime and their own directories."""
    max_log_bytes: int = DEFAULT_LOG_LIMIT
    """Bytes of a command's output that are kept."""
    packages: PackageSettings = field(default_factory=PackageSettings)
    """Where packages that the code requires come from."""
    allowed_stores: ObjectStoreAllowlist = ALLOW_ANY
    """The object stores that learners may call."""
    capacity: Capacity = UNLIMITED
    """CPUs and memory of all jobs together."""
    checkpoints_kept: int = 2
    """Complete checkpoints that are kept in the results container; 0: none is stored during the run."""
    grace_limit: float = 600.0
    """Seconds between SIGTERM and SIGKILL, at most: the limit may be lower than when the training was submitted."""
    cgroups: str = "auto"
    """Where learners make control groups; see `airflow_dlaas.service.process.cgroup_discovery`."""

    data_cache: DataCacheSettings | None = None
    """The cache of training data; None: there is none."""
    mount_roots: tuple[MountRoot, ...] = ()
    """The folders below which definitions may name mounted folders."""

    def job_directory(self, training_id: str) -> JobDirectory:
        """Return the job directory of a training, whether it exists or not."""
        return JobDirectory(self.jobs_dir / training_id)

    def prepare_job(
        self, training: TrainingRecord, definition: TrainingDefinition, *, is_first_start: bool = False
    ) -> JobDirectory:
        """
        Create the job directory of a training with reserved slots; safe to repeat.

        A job that a learner has claimed stays as it is: that learner has read and removed the secrets, and would not
        remove them a second time. Files of an earlier attempt are put away before.

        :param is_first_start: whether no learner of the present attempt can have been started yet.
        :raises DlaasError: the catalogue no longer has the runtime.
        :raises OSError: the directory cannot be written.
        """
        job, attempt = self.job_directory(training.id), training.attempt
        if (is_first_start and attempt > 1) or needs_preparation(job, attempt):
            put_away_earlier_attempt(job, attempt)
        if not job.is_claimed:
            job.create(self.build_spec(training, definition), definition)
        return job

    def abandon_unclaimed(self, training: TrainingRecord, outcome: TrainingOutcome) -> bool:
        """
        End the job of a training with *outcome*, unless a learner of the present attempt has claimed it.

        See `JobDirectory.abandon`. No learner can claim a job that is not prepared for the present attempt.
        """
        job = self.job_directory(training.id)
        if needs_preparation(job, training.attempt):
            return True
        return job.abandon(_exit_file(outcome, training.attempt))

    def build_spec(self, training: TrainingRecord, definition: TrainingDefinition) -> JobSpec:
        """
        Return what the learner of *training* runs, without secrets.

        :raises DlaasError: the catalogue no longer has the runtime.
        """
        execution = definition.model_definition.execution
        grace = DEFAULT_GRACE if execution.grace is None else execution.grace
        return JobSpec(
            training_id=training.id,
            attempt=training.attempt,
            checkpoint_sources=training.checkpoint_sources,
            checkpoints_kept=self.checkpoints_kept,
            grace=min(grace, self.grace_limit),
            command=execution.command,
            runtime=self.runtime_spec(training.runtime),
            code=self.code_path(training.code),
            environments=self.environments_dir,
            gpus=training.gpus,
            timeout=self.run_timeout,
            given=given_amounts(training, self.capacity),
            cgroups=self.cgroups,
            allow_nested=True,  # the upload has checked it, by the opt-in of its experiment
            unpacked_limit=self.max_unpacked_bytes,
            isolation=self.isolation,
            secrets_without_isolation=self.secrets_without_isolation,
            visible=self.readable_paths,
            log_limit=self.max_log_bytes,
            object_stores=self.allowed_stores,
            packages=self.packages,
            data_cache=self.data_cache,
            mount_roots=self.mount_roots,
        )


def _exit_file(outcome: TrainingOutcome, attempt: int) -> ExitFile:
    error = outcome.error
    return ExitFile(
        state=outcome.state,
        exit_code=outcome.exit_code,
        code=error.code if error else None,
        reason=error.message if error else None,
        finished_at=outcome.finished_at,
        attempt=attempt,
    )
