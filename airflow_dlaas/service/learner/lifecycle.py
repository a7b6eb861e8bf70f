"""The life of a job, from taking it to its last mark."""

from __future__ import annotations

import contextlib
import importlib
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from threading import Thread

from pydantic import ValidationError

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import PhaseTime
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import BoardsMark, JobFolder, PhaseMark, Spec, write_mark
from airflow_dlaas.service.learner import command_env, load_inputs
from airflow_dlaas.service.learner.claim import adopt_orphans, claim, read_orders
from airflow_dlaas.service.learner.command_process import Ended, end_everything, supervise
from airflow_dlaas.service.learner.isolation import Isolation, isolation
from airflow_dlaas.service.learner.job_result import (
    Ending,
    Setback,
    account,
    judge,
    leave,
    leave_exit_if_lost,
    not_stored,
    put,
    remarks,
    step,
)
from airflow_dlaas.service.learner.log_file import Journal
from airflow_dlaas.service.learner.log_pipe import LogPipe
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.metrics_collector import following
from airflow_dlaas.service.learner.result_files import stored_folder
from airflow_dlaas.service.learner.shell_command import container_arguments, shell_arguments
from airflow_dlaas.service.learner.signal_waker import Bell, Canceled
from airflow_dlaas.service.learner.storage_retry import LAST_PATIENCE, PATIENCE, patiently
from airflow_dlaas.service.learner.upload_results import Stored, store_logs, store_results
from airflow_dlaas.service.learner.usage import measuring
from airflow_dlaas.service.metrics.log_metrics import readable
from airflow_dlaas.service.runtimes import container, uv
from airflow_dlaas.service.runtimes.provision import Provision, provide


def live(folder: Path) -> None:
    """
    Own the job in *folder* until it has ended. Somebody else's job is left alone.

    However it ends, its last mark is written; only a killed learner leaves none.
    """
    job = JobFolder(folder)
    if not claim(job):
        return
    bell = Bell()
    # The largest import, needed in a moment: it goes on while marks are written and the code is unpacked.
    Thread(target=importlib.import_module, args=["airflow_dlaas.storage.swift.store"], daemon=True).start()
    applies = None
    try:
        spec, definition = read_orders(job)
        adopt_orphans()
        for name in command_env.FOLDERS:
            job.folder(name).mkdir(exist_ok=True)
        applied = isolation(job, spec)
        applies = applied.word
        complain = Journal(job.folder(command_env.LOGS) / "learner.log").say
        log = LogWriter(job.log, spec.log_limit, complain)
        ending = Life(job, spec, definition, bell, applied, log).go()
    except (HostError, OSError, ValidationError) as error:
        what = put(error) if not isinstance(error, ValidationError) else "spec.json or secrets.json cannot be read"
        ending = Ending(TrainingState.ERROR, code="S101", reason=f"The training could not be started: {what}")
    except BaseException:
        # A mistake of ours. Whoever waits for this job must still hear of its end; the rest is in learner.log.
        end_everything(bell)
        broken = Ending(TrainingState.ERROR, code="S101", reason="The learner broke down", keep_results=True)
        leave(job, broken, isolation=applies)
        raise
    leave(job, ending, isolation=applies)


@dataclass(frozen=True, slots=True)
class Life:
    """What a job goes through once it is taken."""

    job: JobFolder
    spec: Spec
    definition: TrainingDefinition
    bell: Bell
    isolation: Isolation
    log: LogWriter
    before: list[PhaseTime] = field(default_factory=list)
    """The phases it has entered."""

    def go(self) -> Ending:
        """Do the work and store what came of it; how it ended."""
        self.log.say(command_env.first_lines(self.spec, str(self.isolation)))
        try:
            ending = self.work()
        except Setback as error:
            ending = Ending(TrainingState.ERROR, code=error.code, reason=error.reason)
        except Canceled:
            end_everything(self.bell)
            ending = Ending(TrainingState.CANCELED, reason="canceled before the command ran")
        except Exception as error:  # noqa: BLE001  # a mistake of ours: it is in learner.log, and the log is stored
            traceback.print_exc()
            end_everything(self.bell)
            ending = Ending(TrainingState.ERROR, code="S101", reason=f"The learner broke down ({type(error).__name__})")
        if ending.reason is not None:
            self.log.say(ending.reason)
        return self.store(ending)

    def work(self) -> Ending:
        """Prepare, load, run."""
        code, data = self.job.folder(command_env.CODE), self.job.folder(command_env.DATA)
        with step("S101"):
            self.isolation.insist(self.spec)
            provision = self.provide()
        self.enter(Phase.LOADING)
        with step("S301"):
            say = self.journal("load-model.log").say
            self.bell.carry_out(lambda: load_inputs.load_code(self.spec, code, say))
        with step("S302"):
            say_data = self.journal("load-data.log").say
            self.bell.carry_out(
                lambda: patiently(
                    lambda: load_inputs.load_data(self.definition, data, say_data, self.spec.object_stores),
                    patience=self.patience,
                    say=say_data,
                )
            )
            load_inputs.link_data(data, code)
        self.enter(Phase.PROCESSING)
        own, complain = self.job.folder(command_env.LOGS) / command_env.OWN_METRICS, self.journal("learner.log").say
        with (
            step("S101"),
            following(
                self.job.log,
                own,
                self.job.metrics,
                complain,
                events=self.watched(),
                definitions=self.definition.metric_definitions or (),
                tell=self.log.say,
                note=self.note_boards,
            ),
            measuring(self.job.usage, command_env.real_devices(self.spec.gpus)),
        ):
            ended = self.run(provision)
            self.log.say("\n".join(remarks(ended)))
        return judge(ended, self.spec.timeout)

    def watched(self) -> list[Path]:
        """Name the folders in which a command may leave event files."""
        return [
            self.job.folder(one)
            for one in (command_env.LOGS, command_env.RESULTS, command_env.CHECKPOINTS, command_env.CODE)
        ]

    def note_boards(self, folders: list[Path]) -> None:
        """Say where event files lie, by the names they will be stored under."""
        # A command may have named them in bytes that are no text.
        names = [readable(name) for folder in folders if (name := stored_folder(self.job, folder)) is not None]
        write_mark(self.job.boards, BoardsMark(folders=tuple(names)).model_dump_json())

    def provide(self) -> Provision:
        """Provide the runtime; the command's log shows how its environment is made, the first time."""
        runtime, environments = self.spec.runtime, self.spec.environments
        if runtime.kind == "uv" and not uv.ready(runtime, environments):
            self.enter(Phase.PREPARING)
        whole = self.journal("prepare.log")

        def say(line: str) -> None:
            whole.say(line)
            if not line.startswith(" + "):
                self.log.say(line.strip())

        return self.bell.carry_out(lambda: provide(runtime, environments, say))

    def run(self, provision: Provision) -> Ended:
        """Run the command in its surroundings."""
        environment = command_env.environment(self.job, self.spec, provision)
        code, runtime = self.job.folder(command_env.CODE), self.spec.runtime
        line = shell_arguments(self.spec.command)
        engine = container.find_engine() if runtime.kind == "container" else None
        name = container.container_name(self.spec.training_id)
        if engine is not None:
            line = container.container_command(
                engine,
                image=runtime.image or "",
                name=name,
                command=container_arguments(self.spec.command),
                folders=[*(self.job.folder(one) for one in command_env.FOLDERS), *provision.python_path],
                workdir=code,
                environment=environment,
                gpus=command_env.real_devices(self.spec.gpus),
                user=(os.getuid(), os.getgid()),
            )
            environment = dict(os.environ)  # The engine's own; the command's goes in by the command line.
        ended: Ended | None = None
        try:
            with LogPipe(self.job.output, self.log) as output:
                ended = supervise(
                    self.isolation.wrap(line, self.job, self.spec, provision),
                    environment=environment,
                    workdir=code,
                    output=output,
                    bell=self.bell,
                    timeout=self.spec.timeout,
                    wrapped=self.isolation.word == "bubblewrap",
                )
        finally:
            # The engine's client may have ended without the container, except where it ended by itself with 0.
            if engine is not None and (ended is None or ended.canceled or ended.overdue or ended.exit_code != 0):
                self.remove_container(engine, name)
        return ended

    def remove_container(self, engine: str, name: str) -> None:
        """Remove the command's container; the log says where that failed."""
        if (reason := container.remove(engine, name)) is not None:
            self.log.say(f"Container {name} could not be removed: {reason}")

    def store(self, ending: Ending) -> Ending:
        """
        Store results, and then the logs by themselves, however the work ended. The command's processes have ended, so
        the training's GPUs are free from now on.

        A cancel comes too late now to change what the command did. It only shortens the waiting for a store that does
        not answer. If this process is lost on the way, the command's exit code is known all the same.
        """
        try:
            leave_exit_if_lost(self.job, ending, isolation=self.isolation.word)
        except OSError as error:
            self.journal("learner.log").say(f"exit-if-lost.json could not be written: {error.strerror}")
        self.enter(Phase.STORING)
        with contextlib.suppress(OSError):  # a command without a sandbox can remove or replace it
            self.job.folder(command_env.LOGS).mkdir(exist_ok=True)
        before, patience = ending.reason, self.patience
        try:
            ending = account(ending, self.attempt(store_results, patience), canceled=self.bell.canceled)
        except Setback as error:
            patience = partial(float, LAST_PATIENCE)  # the store has been waited for
            ending = replace(ending, keep_results=True)
            ending = not_stored(ending, error.reason, canceled=self.bell.canceled)
        for one in ending.warnings:
            self.log.say(one)
        if ending.reason != before:
            self.log.say(ending.reason or "")
        try:
            logs = self.attempt(store_logs, patience)
        except Setback as error:
            return replace(ending, warnings=(*ending.warnings, f"the logs were not stored: {error.reason}"))
        missing = tuple(f"not stored: {one}" for one in logs.refused)
        return replace(ending, stored=ending.stored or logs.files > 0, warnings=(*ending.warnings, *missing))

    def attempt(self, work: Callable[..., Stored], patience: Callable[[], float]) -> Stored:
        """
        Store something, patiently.

        :raises Setback: S303. A mistake of ours is one, too: neither the exit code nor the log is lost by it.
        """
        say = self.journal("store-results.log").say

        def once() -> Stored:
            sandboxed = self.isolation.word == "bubblewrap"
            return work(self.job, self.spec, self.definition, say, sandboxed=sandboxed)

        try:
            with step("S303"):
                return self.bell.carry_out(lambda: patiently(once, patience=patience, say=say), heed=False)
        except Setback as error:
            say(error.reason)
            raise
        except Exception as error:
            traceback.print_exc()  # into learner.log
            raise Setback("S303", f"the learner broke down ({type(error).__name__})") from error

    def patience(self) -> float:
        """Seconds that the object stores may take to answer."""
        return LAST_PATIENCE if self.bell.canceled else PATIENCE

    def enter(self, phase: Phase) -> None:
        """Say where the job is. A full disk does not keep it from going on; what needs the room will say so."""
        mark = PhaseMark(
            phase=phase, since=datetime.now(timezone.utc), isolation=self.isolation.word, before=tuple(self.before)
        )
        self.before.append(PhaseTime(phase=mark.phase, since=mark.since))
        try:
            write_mark(self.job.phase, mark.model_dump_json())
        except OSError as error:
            self.journal("learner.log").say(f"Phase {phase} could not be written: {error.strerror}")

    def journal(self, name: str) -> Journal:
        """Give a journal among the job's logs."""
        return Journal(self.job.folder(command_env.LOGS) / name)
