"""Runs the command of a job: as a process of this machine, in its sandbox, or in a container."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner import command_env, hyperparameters
from airflow_dlaas.service.learner.command_process import CommandResult, run_supervised
from airflow_dlaas.service.learner.command_resources import CommandResources
from airflow_dlaas.service.learner.command_start import CommandStart
from airflow_dlaas.service.learner.command_watch import watch_command
from airflow_dlaas.service.learner.isolation import Isolation
from airflow_dlaas.service.learner.log_pipe import LogPipe
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.master_port import find_master_port
from airflow_dlaas.service.learner.mounts import Mount
from airflow_dlaas.service.learner.shell_command import container_argv, shell_argv
from airflow_dlaas.service.learner.signal_waker import SignalWaker
from airflow_dlaas.service.learner.time_limit import time_limit
from airflow_dlaas.service.runtimes import container
from airflow_dlaas.service.runtimes.container_engines import ContainerEngine
from airflow_dlaas.service.runtimes.container_environment import environment_script, write_environment_file
from airflow_dlaas.service.runtimes.container_run import ContainerRun
from airflow_dlaas.service.runtimes.provision import RuntimePaths


@dataclass(frozen=True, slots=True)
class CommandRun:
    """The one run of a job's command."""

    job: JobDirectory
    spec: JobSpec
    definition: TrainingDefinition
    waker: SignalWaker
    isolation: Isolation
    log: LogWriter
    resources: CommandResources
    resumed_from: str | None = None
    """The training whose checkpoint is in CHECKPOINT_DIR, if there is one."""
    mounts: Sequence[Mount] = ()
    """The folders to which links in DATA_DIR lead."""

    def run(self, provision: RuntimePaths) -> CommandResult:
        """
        Run the command in its environment, sandbox or container, and wait for its end.

        :raises HostError: it could not be started.
        """
        execution = self.definition.model_definition.execution
        environment = command_env.command_environment(
            self.job, self.spec, provision, execution, resumed_from=self.resumed_from
        )
        environment["MASTER_PORT"] = str(find_master_port(self.spec.training_id))
        environment |= hyperparameters.command_variables(self.definition)
        code, runtime = self.job.subdirectory(command_env.CODE), self.spec.runtime
        line = shell_argv(self.spec.command)
        engine = provision.engine
        name = container.container_name(self.spec.training_id, self.spec.attempt)
        if engine is not None:
            write_environment_file(
                self.job.container_environment, environment_script(environment, without=engine.excluded_variables)
            )
            line = engine.run_command(
                ContainerRun(
                    image=runtime.image or "",
                    name=name,
                    command=container_argv(self.spec.command),
                    folders=[*(one for one in self._folders() if not self._is_read_only(one)), *provision.python_path],
                    read_only=[*filter(self._is_read_only, self._folders()), *self._local_data()],
                    workdir=code,
                    environment_file=self.job.container_environment,
                    gpus=command_env.physical_gpus(self.spec.gpus),
                    user=(os.getuid(), os.getgid()),
                    limits=self.spec.given,
                )
            )
            environment = dict(os.environ)  # the engine's
        ended: CommandResult | None = None
        try:
            with LogPipe(self.job.output, self.log) as output, self._watch() as get_stop_reason:
                ended = run_supervised(
                    CommandStart(
                        self.isolation.wrap(line, self.job, self.spec, provision, self.mounts),
                        environment=environment,
                        workdir=code,
                        in_sandbox=self.isolation.mode == "bubblewrap",
                        in_container=engine is not None,
                        enter=self.resources.enter,
                    ),
                    output=output,
                    waker=self.waker,
                    timeout=limit.seconds if (limit := time_limit(self.spec, self.definition)) else None,
                    grace=self.spec.grace,
                    get_stop_reason=get_stop_reason,
                )
        finally:
            # The engine's client may have ended before the container, unless it ended by itself with 0.
            if engine is not None and (ended is None or ended.was_stopped or ended.exit_code != 0):
                self._remove_container(engine, name)
            with contextlib.suppress(OSError):  # the dispatcher removes it again at the end of the training
                self.job.container_environment.unlink(missing_ok=True)
        return ended

    def _watch(self) -> AbstractContextManager[Callable[[], str | None]]:
        has_gpus = bool(command_env.physical_gpus(self.spec.gpus))
        return watch_command(self.definition.watchdog, self.job, self.log, has_gpus=has_gpus, wake=self.waker.wake)

    def _folders(self) -> list[Path]:
        """Return the command's folders, and those to which links in the folder of data lead."""
        folders = [self.job.subdirectory(one) for one in command_env.COMMAND_FOLDERS]
        data_files = self.job.subdirectory(command_env.DATA_FILES)
        linked = [*([data_files] if data_files.is_dir() else []), *(one.path for one in self.mounts)]
        return [*folders, *linked]

    def _is_read_only(self, folder: Path) -> bool:
        """Whether the command cannot change *folder*, one of `_folders`. That of data may itself be a link."""
        if folder.is_symlink() or any(one.path == folder for one in self.mounts):
            return all(one.path != folder.resolve() or not one.writable for one in self.mounts)
        return folder == self.job.subdirectory(command_env.DATA_FILES)

    def _local_data(self) -> list[Path]:
        """Return the local folders of data of `train --here`, to which links in the folder of data lead."""
        return [one.path for one in self.spec.folders.data] if self.spec.folders is not None else []

    def _remove_container(self, engine: ContainerEngine, name: str) -> None:
        """Remove the command's container; a failure is in the log."""
        if (reason := container.remove_container(engine, name)) is not None:
            self.log.write_message(f"Container {name} could not be removed: {reason}")
