"""The lifecycle of a job, from claiming it to ``exit.json``."""

from __future__ import annotations

import contextlib
import logging
import traceback
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest
from airflow_dlaas.service.job_files import JobDirectory, write_job_file
from airflow_dlaas.service.job_reports import EventDirsFile
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner import command_env, hyperparameters, load_inputs
from airflow_dlaas.service.learner.claim import become_subreaper, claim, read_spec
from airflow_dlaas.service.learner.command_process import terminate_descendants
from airflow_dlaas.service.learner.command_resources import limit_resources
from airflow_dlaas.service.learner.earlier_content import find_earlier_content
from airflow_dlaas.service.learner.isolation import Isolation, detect_isolation, require_isolated_secrets
from airflow_dlaas.service.learner.job_phases import JobPhases, read_earlier_phases
from airflow_dlaas.service.learner.job_result import (
    JobResult,
    StageError,
    describe_error,
    describe_termination,
    result_of,
    stage_errors,
    without_secrets,
    write_exit,
    write_exit_if_lost,
)
from airflow_dlaas.service.learner.job_storage import JobStorage, open_job_storage
from airflow_dlaas.service.learner.keep_checkpoints import JobCheckpoints
from airflow_dlaas.service.learner.log_file import file_logger
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.metrics_collector import collect_metrics
from airflow_dlaas.service.learner.prepare_packages import PackagePreparation, hold_runtime
from airflow_dlaas.service.learner.restore_checkpoint import CheckpointRestore
from airflow_dlaas.service.learner.result_files import LEARNER_LOG, stored_path
from airflow_dlaas.service.learner.run_command import CommandRun
from airflow_dlaas.service.learner.secret_mask import SecretMask
from airflow_dlaas.service.learner.signal_waker import Canceled, SignalWaker
from airflow_dlaas.service.learner.storage_retry import with_storage_retry
from airflow_dlaas.service.learner.store_outputs import OutputStage, retry_timeout
from airflow_dlaas.service.learner.time_limit import time_limit
from airflow_dlaas.service.learner.usage import record_usage
from airflow_dlaas.service.metrics.line_records import replace_surrogates
from airflow_dlaas.service.runtimes import uv
from airflow_dlaas.service.runtimes.provision import RuntimePaths, provision_runtime


def run_job(folder: Path) -> None:
    """
    Run the job in *folder* until it has ended. A job that another process has claimed is not touched.

    ``exit.json`` is written however the job ends; only a killed learner leaves none.
    """
    job = JobDirectory(folder)
    if not claim(job):
        return
    waker = SignalWaker()
    isolation_mode, attempt = None, 1
    try:
        spec, definition = read_spec(job)
        become_subreaper()
        attempt = spec.attempt
        for name in command_env.COMMAND_FOLDERS:
            job.subdirectory(name).mkdir(exist_ok=True)
        isolation = detect_isolation(job, spec)
        isolation_mode = isolation.mode
        execution = definition.model_definition.execution
        mask = SecretMask.of_values(command_env.secret_variables(execution).values())
        learner_logger = file_logger(job.subdirectory(command_env.LOGS) / LEARNER_LOG, mask)
        log = LogWriter(job.log, spec.log_limit, learner_logger, mask=mask)
        storage = open_job_storage(job, spec, definition)
        phases = JobPhases(job, spec.attempt, isolation.mode, learner_logger, read_earlier_phases(job))
        stages = JobLifecycle(job, spec, definition, storage, waker, isolation, log, phases)
        result = without_secrets(stages.run(), mask)
    except (HostError, OSError, ValidationError) as error:
        reason = (
            describe_error(error)
            if not isinstance(error, ValidationError)
            else "spec.json or secrets.json cannot be read"
        )
        result = JobResult(TrainingState.ERROR, code="S101", reason=f"The training could not be started: {reason}")
    except BaseException:
        # A bug. The job still gets a result; the traceback is in learner.log.
        terminate_descendants(waker)
        broken = JobResult(TrainingState.ERROR, code="S101", reason="Internal error in the learner", keep_results=True)
        write_exit(job, broken, isolation=isolation_mode, attempt=attempt)
        raise
    write_exit(job, result, isolation=isolation_mode, attempt=attempt)


@dataclass(frozen=True, slots=True)
class JobLifecycle:
    """The stages of a claimed job."""

    job: JobDirectory
    spec: JobSpec
    definition: TrainingDefinition
    storage: JobStorage
    waker: SignalWaker
    isolation: Isolation
    log: LogWriter
    phases: JobPhases
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """The environments in use; they are released when the stages have ended."""

    def run(self) -> JobResult:
        """Run the stages and store the results; return how the job ended."""
        self.log.write_message(command_env.log_header(self.spec, str(self.isolation)))
        checkpoints = JobCheckpoints(self.job, self.spec, self.definition, self.storage, self.log.mask)
        try:
            with self.held:
                ending = self.run_stages(checkpoints)
        except StageError as error:
            ending = JobResult(TrainingState.ERROR, code=error.code, reason=error.reason)
        except Canceled:
            terminate_descendants(self.waker)
            ending = JobResult(TrainingState.CANCELED, reason="canceled before the command ran")
        except Exception as error:  # noqa: BLE001  # a bug: the traceback is in learner.log, and results and log are stored
            traceback.print_exc()
            terminate_descendants(self.waker)
            ending = JobResult(
                TrainingState.ERROR, code="S101", reason=f"Internal error in the learner ({type(error).__name__})"
            )
        if ending.reason is not None:
            self.log.write_message(ending.reason)
        return self.store_outputs(ending, checkpoints)

    def run_stages(self, checkpoints: JobCheckpoints) -> JobResult:
        """Prepare the runtime, load code and data, run the command."""
        code, data = self.job.subdirectory(command_env.CODE), self.job.subdirectory(command_env.DATA)
        with stage_errors("S101"):
            self.isolation.require_requested(self.spec)
            require_isolated_secrets(self.isolation, self.job, self.spec, self.definition.model_definition.execution)
            provision = self.provision_runtime()
        with stage_errors("S301"):
            code_logger = self.logger("load-model.log")
            self.waker.run_in_thread(lambda: load_inputs.unpack_code(self.spec, code, code_logger))
        provision = self.prepare_packages(provision)
        self.phases.enter(Phase.LOADING)
        with stage_errors("S302"):
            data_logger = self.logger("load-data.log")
            self.waker.run_in_thread(
                lambda: with_storage_retry(
                    lambda: self.storage.load_data(data, data_logger),
                    what="Loading the data",
                    get_timeout=partial(retry_timeout, self.waker),
                    logger=data_logger,
                )
            )
            load_inputs.link_data(data, code)
            checkpoint = self.waker.run_in_thread(self.restore_checkpoint)
        with stage_errors("S101"):  # after the data's links: a file of the author's data of this name stays too
            if line := hyperparameters.write_hyperparameters(self.definition, code):
                self.log.write_message(line)
        self.phases.enter(Phase.PROCESSING)
        restored = None if checkpoint is None else self.job.subdirectory(command_env.CHECKPOINTS)
        with (
            stage_errors("S101"),
            collect_metrics(
                self.job.log,
                self.job.subdirectory(command_env.LOGS) / command_env.USER_METRICS_FILE,
                self.job.metrics,
                self.logger(LEARNER_LOG),
                event_dirs=self.event_dirs(),
                definitions=self.definition.metric_definitions or (),
                on_unmatched=self.log.write_message,
                mask=self.log.mask,
                on_event_dirs=self.write_event_dirs,
                earlier=find_earlier_content(self.spec.attempt, self.job.log, self.event_dirs(), restored),
            ),
            limit_resources(
                self.job,
                self.spec,
                by_engine=provision.engine is not None and provision.engine.limits_resources,
                limits_shared_memory=self.isolation.shared_memory is not None,
                logger=self.logger(LEARNER_LOG),
            ) as resources,
            record_usage(
                self.job.usage,
                self.job.usage_history,
                command_env.physical_gpus(self.spec.gpus),
                resources.add_usage,
            ),
        ):
            with checkpoints.keep():
                ended = CommandRun(
                    self.job,
                    self.spec,
                    self.definition,
                    self.waker,
                    self.isolation,
                    self.log,
                    resources,
                    resumed_from=None if checkpoint is None else checkpoint.training_id,
                ).run(provision)
            checkpoints.end(ended)
            self.log.write_message("\n".join(describe_termination(ended)))
        return result_of(
            ended,
            time_limit(self.spec, self.definition),
            resources.out_of_memory,
            are_kills_counted=resources.are_kills_counted,
        )

    def restore_checkpoint(self) -> CheckpointManifest | None:
        """Restore the checkpoint that the attempt begins with, if there is one."""
        timeout = partial(retry_timeout, self.waker)
        return CheckpointRestore(self.job, self.spec, self.storage, self.log, timeout).run()

    def event_dirs(self) -> list[Path]:
        """Return the folders in which a command may write event files."""
        return [
            self.job.subdirectory(one)
            for one in (command_env.LOGS, command_env.RESULTS, command_env.CHECKPOINTS, command_env.CODE)
        ]

    def write_event_dirs(self, folders: list[Path]) -> None:
        """Record the folders of event files, by the names that they will be stored under."""
        # The bytes of a folder's name may be invalid UTF-8.
        names = [replace_surrogates(name) for folder in folders if (name := stored_path(self.job, folder)) is not None]
        write_job_file(self.job.event_dirs, EventDirsFile(folders=tuple(map(self.log.mask.text, names))))

    def provision_runtime(self) -> RuntimePaths:
        """Provide the runtime; if its environment is made first, the command's log shows the progress."""
        runtime, environments = self.spec.runtime, self.spec.environments
        hold_runtime(self.spec, self.held)
        if runtime.kind == "uv" and not uv.has_environment(runtime, environments):
            self.set_preparing()
        return self.waker.run_in_thread(lambda: provision_runtime(runtime, environments, self.log_preparation))

    def prepare_packages(self, provision: RuntimePaths) -> RuntimePaths:
        """Provide the packages that the code requires, and an environment for ``pip install`` in the command."""
        sandboxed = self.isolation.mode == "bubblewrap"
        packages = PackagePreparation(self.job, self.spec, self.log_preparation, self.set_preparing, sandboxed)
        return self.waker.run_in_thread(lambda: packages.prepare(provision, self.held))

    def log_preparation(self, line: str) -> None:
        """Write a line of progress into prepare.log and, unless it is a detail, into the command's log."""
        self.logger("prepare.log").info("%s", line)
        if not line.startswith(" + "):
            self.log.write_message(line.strip())

    def set_preparing(self) -> None:
        """Enter the phase in which environments are made, once."""
        if not self.phases.entered:
            self.phases.enter(Phase.PREPARING)

    def store_outputs(self, result: JobResult, checkpoints: JobCheckpoints) -> JobResult:
        """
        Store results and logs (`OutputStage`), however the stages ended. The command's processes have ended, so the
        training's GPUs are free from now on. If this process is lost meanwhile, ``exit-if-lost.json`` has the command's
        exit code.
        """
        try:
            masked = without_secrets(result, self.log.mask)
            write_exit_if_lost(self.job, masked, isolation=self.isolation.mode, attempt=self.spec.attempt)
        except OSError as error:
            self.logger(LEARNER_LOG).warning("exit-if-lost.json could not be written: %s", error.strerror)
        self.phases.enter(Phase.STORING)
        logs = self.job.subdirectory(command_env.LOGS)
        with contextlib.suppress(OSError):  # a command without a sandbox can remove or replace it
            logs.mkdir(exist_ok=True)
        sandboxed = self.isolation.mode == "bubblewrap"
        store_log, attempt = logs / "store-results.log", self.spec.attempt
        return OutputStage(self.storage, checkpoints, self.waker, self.log, store_log, sandboxed, attempt).run(result)

    def logger(self, name: str) -> logging.Logger:
        """Return a logger that writes to the file *name* in the job's folder of logs."""
        return file_logger(self.job.subdirectory(command_env.LOGS) / name, self.log.mask)
