"""
All that comes before the command. Its environment is made and its code is unpacked while its data is loaded.

If one of the two sides fails, the other one is stopped: neither is of use without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest
from airflow_dlaas.service.learner import command_env, hyperparameters, load_inputs
from airflow_dlaas.service.learner.command_process import terminate_descendants
from airflow_dlaas.service.learner.isolation import require_isolated_secrets
from airflow_dlaas.service.learner.job_context import JobContext
from airflow_dlaas.service.learner.job_result import StageError, stage_errors
from airflow_dlaas.service.learner.load_data import LoadedData
from airflow_dlaas.service.learner.load_stage import LoadStage, data_errors
from airflow_dlaas.service.learner.mounts import Mount, find_mounts
from airflow_dlaas.service.learner.prepare_packages import PackagePreparation, hold_runtime
from airflow_dlaas.service.learner.restore_checkpoint import CheckpointRestore
from airflow_dlaas.service.learner.start_phases import StartPhases
from airflow_dlaas.service.learner.store_outputs import retry_timeout
from airflow_dlaas.service.runtimes import uv
from airflow_dlaas.service.runtimes.provision import RuntimePaths, provision_runtime

T = TypeVar("T")

STOP_TIMEOUT = 5.0
"""Seconds to wait for a side that was stopped: a request that hangs must not keep the training from ending."""


@dataclass(frozen=True, slots=True)
class StartedJob:
    """A job whose command can start."""

    provision: RuntimePaths
    mounts: tuple[Mount, ...]
    checkpoint: CheckpointManifest | None
    """The checkpoint in CHECKPOINT_DIR that the attempt begins with."""


@dataclass(frozen=True, slots=True)
class JobStart:
    """The stages before the command of one job."""

    context: JobContext
    held: ExitStack
    """Receives what the command uses; it is released after its end."""
    _phases: StartPhases = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_phases", StartPhases(self.context.phases))

    def run(self) -> StartedJob:
        """
        Run the stages.

        :raises StageError: one failed.
        :raises Canceled: a request to stop came first.
        """
        context = self.context
        with stage_errors("S101"):
            context.isolation.require_requested(context.spec)
            execution = context.definition.model_definition.execution
            require_isolated_secrets(context.isolation, context.job, context.spec, execution)
            hold_runtime(context.spec, self.held)
        with data_errors():
            find_mounts(context.job, context.spec, context.definition)  # before anything that takes time
        # A runtime that only has to be found comes first: without it, no data is loaded.
        found = None if self._must_make_environment() else self._provision_runtime(None)
        with self._loading() as loading:
            provision = self._prepare(found, loading)
            self._phases.load()
            loaded = context.waker.wait_for(loading)
        return self._finish(provision, loaded)

    @contextmanager
    def _loading(self) -> Iterator[Future[LoadedData]]:
        """Load the data during the block; if the block fails, stop that, and all processes that it has started."""
        waker, stage = self.context.waker, LoadStage(self.context, self._phases.load, self.held)
        future = waker.start(stage.run)
        try:
            yield future
        except StageError:
            terminate_descendants(waker)
            raise
        finally:
            stage.stop()
            wait([future], 0 if waker.canceled else STOP_TIMEOUT)

    def _prepare(self, found: RuntimePaths | None, loading: Future[LoadedData]) -> RuntimePaths:
        """Provide the runtime, unless it was *found*, the code, and its packages."""
        context = self.context
        provision = self._provision_runtime(loading) if found is None else found
        with stage_errors("S301"):
            code, logger = context.job.subdirectory(command_env.CODE), context.logger("load-model.log")
            self._run(partial(load_inputs.unpack_code, context.spec, code, logger), loading)
        sandboxed = context.isolation.mode == "bubblewrap"
        packages = PackagePreparation(context.job, context.spec, self._log_preparation, self._phases.prepare, sandboxed)
        return self._run(lambda: packages.prepare(provision, self.held), loading)

    def _must_make_environment(self) -> bool:
        """Whether the environment of the runtime is made first, which takes long."""
        runtime, environments = self.context.spec.runtime, self.context.spec.environments
        return runtime.kind == "uv" and not uv.has_environment(runtime, environments)

    def _provision_runtime(self, loading: Future[LoadedData] | None) -> RuntimePaths:
        """Provide the runtime; if its environment is made first, the command's log shows the progress."""
        spec = self.context.spec
        if loading is not None:
            self._phases.prepare()
        with stage_errors("S101"):
            return self._run(lambda: provision_runtime(spec.runtime, spec.environments, self._log_preparation), loading)

    def _run(self, work: Callable[[], T], loading: Future[LoadedData] | None) -> T:
        """Run *work* in a thread and return its result, or raise the error of *loading* if that fails first."""
        future = self.context.waker.start(work)
        return self.context.waker.wait_for(future, beside=loading)

    def _finish(self, provision: RuntimePaths, loaded: LoadedData) -> StartedJob:
        """Put together what both sides have made."""
        context = self.context
        code = context.job.subdirectory(command_env.CODE)
        with stage_errors("S302"):
            load_inputs.link_data(context.job.subdirectory(command_env.DATA), code)
            timeout = partial(retry_timeout, context.waker)
            restore = CheckpointRestore(context.job, context.spec, context.storage, context.log, timeout)
            checkpoint = context.waker.run_in_thread(restore.run)
        with stage_errors("S101"):  # after the data's links: a file of the author's data of this name stays too
            if line := hyperparameters.write_hyperparameters(context.definition, code):
                context.log.write_message(line)
        return StartedJob(provision, loaded.mounts, checkpoint)

    def _log_preparation(self, line: str) -> None:
        """Write a line of progress into prepare.log and, unless it is a detail, into the command's log."""
        self.context.logger("prepare.log").info("%s", line)
        if not line.startswith(" + "):
            self.context.log.write_message(line.strip())
