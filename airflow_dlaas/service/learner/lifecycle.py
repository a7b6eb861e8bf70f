"""The lifecycle of a job, from claiming it to ``exit.json``."""

from __future__ import annotations

import contextlib
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.learner import command_env
from airflow_dlaas.service.learner.claim import become_subreaper, claim, read_spec
from airflow_dlaas.service.learner.command_process import terminate_descendants
from airflow_dlaas.service.learner.command_stage import CommandStage
from airflow_dlaas.service.learner.isolation import detect_isolation
from airflow_dlaas.service.learner.job_context import JobContext
from airflow_dlaas.service.learner.job_phases import JobPhases, read_earlier_phases
from airflow_dlaas.service.learner.job_result import (
    JobResult,
    StageError,
    describe_error,
    without_secrets,
    write_exit,
    write_exit_if_lost,
)
from airflow_dlaas.service.learner.job_start import JobStart
from airflow_dlaas.service.learner.job_storage import open_job_storage
from airflow_dlaas.service.learner.keep_checkpoints import JobCheckpoints
from airflow_dlaas.service.learner.log_file import file_logger
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.result_files import LEARNER_LOG
from airflow_dlaas.service.learner.secret_mask import SecretMask
from airflow_dlaas.service.learner.signal_waker import Canceled, SignalWaker
from airflow_dlaas.service.learner.store_outputs import OutputStage


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
        context = JobContext(job, spec, definition, storage, waker, isolation, log, phases)
        result = without_secrets(JobLifecycle(context).run(), mask)
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

    context: JobContext
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """What the command uses, such as environments; it is released when the stages have ended."""

    def run(self) -> JobResult:
        """Run the stages and store the results; return how the job ended."""
        job, spec, log = self.context.job, self.context.spec, self.context.log
        log.write_message(command_env.log_header(spec, str(self.context.isolation)))
        checkpoints = JobCheckpoints(job, spec, self.context.definition, self.context.storage, log.mask)
        try:
            with self.held:
                started = JobStart(self.context, self.held).run()
                ending = CommandStage(self.context, started).run(checkpoints)
        except StageError as error:
            ending = JobResult(TrainingState.ERROR, code=error.code, reason=error.reason)
        except Canceled:
            terminate_descendants(self.context.waker)
            ending = JobResult(TrainingState.CANCELED, reason="canceled before the command ran")
        except Exception as error:  # noqa: BLE001  # a bug: the traceback is in learner.log, and results and log are stored
            traceback.print_exc()
            terminate_descendants(self.context.waker)
            ending = JobResult(
                TrainingState.ERROR, code="S101", reason=f"Internal error in the learner ({type(error).__name__})"
            )
        if ending.reason is not None:
            log.write_message(ending.reason)
        return self.store_outputs(ending, checkpoints)

    def store_outputs(self, result: JobResult, checkpoints: JobCheckpoints) -> JobResult:
        """
        Store results and logs (`OutputStage`), however the stages ended. The command's processes have ended, so the
        training's GPUs are free from now on. If this process is lost meanwhile, ``exit-if-lost.json`` has the command's
        exit code.
        """
        context, attempt = self.context, self.context.spec.attempt
        try:
            masked = without_secrets(result, context.log.mask)
            write_exit_if_lost(context.job, masked, isolation=context.isolation.mode, attempt=attempt)
        except OSError as error:
            context.logger(LEARNER_LOG).warning("exit-if-lost.json could not be written: %s", error.strerror)
        context.phases.enter(Phase.STORING)
        logs = context.job.subdirectory(command_env.LOGS)
        with contextlib.suppress(OSError):  # a command without a sandbox can remove or replace it
            logs.mkdir(exist_ok=True)
        sandboxed, store_log = context.isolation.mode == "bubblewrap", logs / "store-results.log"
        stage = OutputStage(context.storage, checkpoints, context.waker, context.log, store_log, sandboxed, attempt)
        return stage.run(result)
