"""The steps of `train --here` in their order."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from airflow_dlaas.cli.exit_codes import ExitCode, exit_code_for_state
from airflow_dlaas.cli.output import print_json, print_model
from airflow_dlaas.cli.train.definition import printable_definition
from airflow_dlaas.cli.train.here.follow import JobFollower, stop_requests
from airflow_dlaas.cli.train.here.job import (
    CODE_FILE,
    build_here_definition,
    build_spec,
    choose_folders,
    exclude_results,
    make_id,
    require_local_data,
    require_local_options,
)
from airflow_dlaas.cli.train.here.runtime import choose_here_runtime, gpu_slots
from airflow_dlaas.cli.train.here.training import HereTraining
from airflow_dlaas.cli.train.options import FollowOptions, TrainOptions, require_free_output
from airflow_dlaas.cli.train.output import PlainOutput
from airflow_dlaas.cli.train.pack import pack_code
from airflow_dlaas.cli.train.view import FollowView
from airflow_dlaas.contract.outcome import raise_for_state
from airflow_dlaas.exceptions import HostError, TrainingEnded
from airflow_dlaas.service.config.data_dir import DataDir
from airflow_dlaas.service.config.read_settings import read_settings
from airflow_dlaas.service.learner.command_env import CHECKPOINTS, LOGS, RESULTS
from airflow_dlaas.service.learner.result_files import LEARNER_LOG
from airflow_dlaas.service.runners.local import LocalRunner


class HereRun:
    """One call of `train --here`."""

    def __init__(self, options: TrainOptions, follow: FollowOptions, output: PlainOutput) -> None:
        self._options = options
        self._follow = follow
        self._output = output
        self._is_broken = False
        """Whether the learner itself failed: its own log has the reason."""
        self._folders = choose_folders(make_id(datetime.now().astimezone()), options.output)

    def run(self, *, dry_run: bool) -> int:
        """
        Do all steps, or print what they would do; return the exit code.

        :raises DlaasError: a step before the training failed; nothing is left of it.
        """
        options, folders, output = self._options, self._folders, self._output
        require_local_options(options, self._follow)
        require_free_output(options.output, overwrite=self._follow.overwrite)
        require_local_data(options.data)
        settings = read_settings(os.environ, {"home": str(options.home) if options.home else None})
        slots = gpu_slots(settings, os.environ)
        framework, runtime = choose_here_runtime(options, settings, slots)
        output.step("framework", f"{framework} ({runtime.provides})")
        definition = build_here_definition(options, framework)
        spec = build_spec(options, definition, folders, runtime, DataDir(settings.home).environments, slots, settings)
        with tempfile.TemporaryDirectory(prefix="dlaas-") as folder:
            archive = Path(folder) / CODE_FILE
            output.step("code", pack_code(exclude_results(options, folders).code, archive))
            for one in options.data:
                output.step("data", f"{one.path}, as it is")
            if dry_run:
                print_json(printable_definition(definition))
                return ExitCode.SUCCESS
            self._create_job_folder(archive)
        try:
            folders.job.create(spec, definition)
            training = HereTraining(folders.job.path.name, definition, spec.gpus, runtime.provides)
            return self._run_job(training, spec.grace, settings.package_login)
        finally:
            self._remove_job_folder()

    def _run_job(self, here: HereTraining, grace: float, package_login: Mapping[str, str]) -> int:
        job, output, runner = self._folders.job, self._output, LocalRunner(os.environ | package_login)
        with stop_requests() as requests:
            output.step("training", f"{here.id} runs in {job.path}")
            view = FollowView(metric=self._follow.metric)
            follower = JobFollower(job, runner, here, output, view, grace)
            ended = follower.follow(runner.start(job), requests)
            if ended is None:
                runner.kill_leftovers(job)
        self._is_broken = ended is None or ended.code == "S101"
        training = here.ended(ended, follower.read_resources())
        try:
            raise_for_state(training)
        except TrainingEnded as error:
            output.show_last_lines()
            output.step(str(training.state), str(error))
        for one in training.status.warnings or ():
            output.step("warning", one)
        self._report_results()
        if self._follow.json:
            print_model(training)
        return exit_code_for_state(training.state)

    def _report_results(self) -> None:
        results = self._folders.results
        if results.is_dir():
            sizes = [one.stat().st_size for one in results.rglob("*") if one.is_file()]
            self._output.step("results", f"{results}: {len(sizes):,} files ({sum(sizes):,} bytes)")

    def _create_job_folder(self, archive: Path) -> None:
        path = self._folders.job.path
        try:
            path.mkdir(mode=0o700, parents=True)
            shutil.move(archive, self._folders.code)
        except OSError as error:
            raise HostError(f"--output: {path} cannot be created: {error.strerror}") from error

    def _remove_job_folder(self) -> None:
        """Remove the job directory, unless it has results that were not stored, or the reason of a failed learner."""
        job = self._folders.job
        kept = [job.subdirectory(RESULTS), job.subdirectory(CHECKPOINTS)]
        kept += [job.subdirectory(LOGS) / LEARNER_LOG] if self._is_broken else []
        if any(_has_content(one) for one in kept):
            self._output.step("kept", f"{job.path} has files that are not in the results; remove it when it has no use")
            job.erase_secrets()
            return
        job.delete()
        for parent in (job.path.parent, job.path.parent.parent):
            with suppress(OSError):  # another job is in it
                parent.rmdir()


def _has_content(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.is_file() and path.stat().st_size > 0
