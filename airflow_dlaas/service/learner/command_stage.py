"""The stage that runs the command of a job: with its metrics, its limits, its usage and its checkpoints recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.contract.state import Phase
from airflow_dlaas.service.job_files import write_job_file
from airflow_dlaas.service.job_reports import EventDirsFile
from airflow_dlaas.service.learner import command_env
from airflow_dlaas.service.learner.command_resources import limit_resources
from airflow_dlaas.service.learner.earlier_content import find_earlier_content
from airflow_dlaas.service.learner.job_context import JobContext
from airflow_dlaas.service.learner.job_result import JobResult, describe_termination, result_of, stage_errors
from airflow_dlaas.service.learner.job_start import StartedJob
from airflow_dlaas.service.learner.keep_checkpoints import JobCheckpoints
from airflow_dlaas.service.learner.metrics_collector import collect_metrics
from airflow_dlaas.service.learner.result_files import LEARNER_LOG, stored_path
from airflow_dlaas.service.learner.run_command import CommandRun
from airflow_dlaas.service.learner.time_limit import time_limit
from airflow_dlaas.service.learner.usage import record_usage
from airflow_dlaas.service.metrics.line_records import replace_surrogates


@dataclass(frozen=True, slots=True)
class CommandStage:
    """Runs the command of one job."""

    context: JobContext
    started: StartedJob

    def run(self, checkpoints: JobCheckpoints) -> JobResult:
        """
        Run the command until it has ended; return the result of the job.

        :raises StageError: it could not be started.
        """
        context, engine, checkpoint = self.context, self.started.provision.engine, self.started.checkpoint
        job, spec, definition, log = context.job, context.spec, context.definition, context.log
        logger = context.logger(LEARNER_LOG)
        context.phases.enter(Phase.PROCESSING)
        restored = None if checkpoint is None else job.subdirectory(command_env.CHECKPOINTS)
        with (
            stage_errors("S101"),
            collect_metrics(
                job.log,
                job.subdirectory(command_env.LOGS) / command_env.USER_METRICS_FILE,
                job.metrics,
                logger,
                event_dirs=self._event_dirs(),
                definitions=definition.metric_definitions or (),
                on_unmatched=log.write_message,
                mask=log.mask,
                on_event_dirs=self._write_event_dirs,
                earlier=find_earlier_content(spec.attempt, job.log, self._event_dirs(), restored),
            ),
            limit_resources(
                job,
                spec,
                by_engine=engine is not None and engine.limits_resources,
                limits_shared_memory=context.isolation.shared_memory is not None,
                logger=logger,
            ) as resources,
            record_usage(
                job.usage,
                job.usage_history,
                command_env.physical_gpus(spec.gpus),
                resources.add_usage,
            ),
        ):
            with checkpoints.keep():
                ended = CommandRun(
                    job,
                    spec,
                    definition,
                    context.waker,
                    context.isolation,
                    log,
                    resources,
                    resumed_from=None if checkpoint is None else checkpoint.training_id,
                    mounts=self.started.mounts,
                ).run(self.started.provision)
            checkpoints.end(ended)
            log.write_message("\n".join(describe_termination(ended)))
        return result_of(
            ended,
            time_limit(spec, definition),
            resources.out_of_memory,
            are_kills_counted=resources.are_kills_counted,
        )

    def _event_dirs(self) -> list[Path]:
        """Return the folders in which a command may write event files."""
        return [
            self.context.job.subdirectory(one)
            for one in (command_env.LOGS, command_env.RESULTS, command_env.CHECKPOINTS, command_env.CODE)
        ]

    def _write_event_dirs(self, folders: list[Path]) -> None:
        """Record the folders of event files, by the names that they will be stored under."""
        job, mask = self.context.job, self.context.log.mask
        # The bytes of a folder's name may be invalid UTF-8.
        names = [replace_surrogates(name) for folder in folders if (name := stored_path(job, folder)) is not None]
        write_job_file(job.event_dirs, EventDirsFile(folders=tuple(map(mask.text, names))))
