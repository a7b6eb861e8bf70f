from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_dlaas.contract.error import TRAINING_ERROR_CODES
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import HostError, InvalidBundle, StoreRefused
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ExitFile, ExitIfLostFile
from airflow_dlaas.service.learner.command_process import CommandResult
from airflow_dlaas.service.learner.command_resources import OutOfMemory
from airflow_dlaas.service.learner.job_result import (
    MAX_WARNINGS,
    JobResult,
    StageError,
    describe_termination,
    result_of,
    stage_errors,
    with_upload_interrupted,
    with_upload_report,
    without_secrets,
    write_exit,
    write_exit_if_lost,
)
from airflow_dlaas.service.learner.result_files import UnstoredFile
from airflow_dlaas.service.learner.secret_mask import SecretMask
from airflow_dlaas.service.learner.time_limit import TimeLimit
from airflow_dlaas.service.learner.upload_results import UploadReport


def test_exit_code_0_completes_the_training() -> None:
    assert result_of(CommandResult(0), None).state is TrainingState.COMPLETED


@pytest.mark.parametrize(
    ("ended", "limit", "reason"),
    [
        (CommandResult(3), None, "dl_job_failed: the command exited with 3"),
        (CommandResult(255), None, "dl_job_failed: the command exited with 255"),
        (CommandResult(139), None, "dl_job_failed: the command was ended by SIGSEGV (139)"),
        (
            CommandResult(137),
            None,
            "dl_job_failed: the command was killed (137), most often because memory ran out",
        ),
        (
            CommandResult(143, timed_out=True),
            TimeLimit(2.5, "the time limit of this service"),
            "dl_job_failed: the command was stopped after 2.5 seconds, the time limit of this service",
        ),
    ],
)
def test_failed_command_is_c201_with_the_reason(ended: CommandResult, limit: TimeLimit | None, reason: str) -> None:
    ending = result_of(ended, limit)
    assert (ending.state, ending.exit_code, ending.code) == (TrainingState.ERROR, ended.exit_code, "C201")
    assert ending.reason == reason


@pytest.mark.parametrize(
    ("ended", "was_stopped"),
    [
        (CommandResult(0), False),
        (CommandResult(143), False),
        (CommandResult(0, canceled=True), True),
        (CommandResult(143, timed_out=True), True),
        (CommandResult(143, stop_reason="no work"), True),
    ],
)
def test_outcome_states_whether_the_command_was_stopped(
    ended: CommandResult, was_stopped: bool, tmp_path: Path
) -> None:
    """A command that was stopped is not started again."""
    job = JobDirectory(tmp_path)
    result = result_of(ended, TimeLimit(1.0, "a limit"))
    write_exit_if_lost(job, result, isolation="none", attempt=3)
    if_lost = read_job_file(job.exit_if_lost, ExitIfLostFile)
    write_exit(job, result, attempt=3)
    written = read_job_file(job.exit, ExitFile)
    assert if_lost is not None
    assert written is not None
    assert (if_lost.attempt, if_lost.was_stopped) == (written.attempt, written.was_stopped) == (3, was_stopped)


KILLED_BY_LIMIT = OutOfMemory(limit=64 * 2**20, peak=64 * 2**20)
TOO_MUCH = "the command needed more memory than its limit of 64.0 MiB (peak: 64.0 MiB)"


@pytest.mark.parametrize(
    ("ended", "cause", "becomes"),
    [
        (
            CommandResult(5),
            KILLED_BY_LIMIT,
            JobResult(
                TrainingState.ERROR, 5, "C204", f"{TOO_MUCH}; the kernel killed a process of it, and it exited with 5"
            ),
        ),
        (
            CommandResult(137),
            OutOfMemory(limit=None, peak=None),
            JobResult(
                TrainingState.ERROR,
                137,
                "C204",
                "the machine ran out of memory (the command's peak: not known); the kernel killed a process of it, and "
                "it exited with 137",
            ),
        ),
        (
            CommandResult(0),
            KILLED_BY_LIMIT,
            JobResult(TrainingState.COMPLETED, 0, warnings=(f"{TOO_MUCH}; the kernel killed a process of it",)),
        ),
    ],
)
def test_killed_process_without_memory_fails_the_training_only_if_the_command_fails(
    ended: CommandResult, cause: OutOfMemory, becomes: JobResult
) -> None:
    assert result_of(ended, None, cause) == becomes


def test_killed_command_has_no_guess_about_memory_where_such_kills_are_counted() -> None:
    ending = result_of(CommandResult(137), None, are_kills_counted=True)
    assert (ending.code, ending.reason) == ("C201", "dl_job_failed: the command was ended by SIGKILL (137)")


def test_canceled_or_timed_out_command_stays_so_although_memory_ran_out() -> None:
    assert result_of(CommandResult(143, canceled=True), None, KILLED_BY_LIMIT).state is TrainingState.CANCELED
    assert result_of(CommandResult(143, timed_out=True), TimeLimit(1, "a"), KILLED_BY_LIMIT).code == "C201"


def test_warnings_of_the_command_and_of_unstored_files_are_both_kept() -> None:
    killed = JobResult(TrainingState.COMPLETED, 0, warnings=("killed",))
    assert with_upload_report(killed, UploadReport(1, (LINK,)), canceled=False).warnings == (
        "killed",
        "not stored: l: a link out",
    )


def test_command_that_its_watchdog_stopped_is_c203_with_the_limit() -> None:
    ended = CommandResult(3, stop_reason="it was silent", grace_period=10, termination_seconds=2.0)
    ending = result_of(ended, 2.5)
    assert (ending.state, ending.exit_code, ending.code) == (TrainingState.ERROR, 3, "C203")
    assert ending.reason == "the watchdog stopped the command: it was silent"
    assert list(describe_termination(ended)) == ["The command ended 2.0 seconds after SIGTERM; it had 10"]


def test_canceled_command_is_no_error() -> None:
    ending = result_of(CommandResult(143, canceled=True), None)
    assert (ending.state, ending.exit_code, ending.code) == (TrainingState.CANCELED, 143, None)


@pytest.mark.parametrize(
    ("ended", "lines"),
    [
        (CommandResult(0), []),
        (
            CommandResult(143, canceled=True, grace_period=10, termination_seconds=0.26),
            ["The command ended 0.3 seconds after SIGTERM; it had 10"],
        ),
        (
            CommandResult(137, timed_out=True, grace_period=10, termination_seconds=10.04),
            ["The command was killed: it had not ended 10 seconds after SIGTERM"],
        ),
        (
            CommandResult(
                0, grace_period=1, termination_seconds=1.5, leftover_programs=("sleep", "python3", "python3")
            ),
            ["Ended 3 processes that the command had left running in the background: python3, sleep"],
        ),
    ],
)
def test_termination_of_processes_is_described(ended: CommandResult, lines: list[str]) -> None:
    assert list(describe_termination(ended)) == lines


INTERRUPTED = "storing the results was interrupted, and they may be incomplete"


@pytest.mark.parametrize(
    ("ending", "becomes"),
    [
        (JobResult(TrainingState.COMPLETED, 0), JobResult(TrainingState.ERROR, 0, "S303", INTERRUPTED)),
        (
            JobResult(TrainingState.ERROR, 3, "C201", "exited with 3"),
            JobResult(TrainingState.ERROR, 3, "C201", f"exited with 3; {INTERRUPTED}"),
        ),
        (
            JobResult(TrainingState.CANCELED, 143, reason="canceled"),
            JobResult(TrainingState.CANCELED, 143, reason=f"canceled; {INTERRUPTED}"),
        ),
    ],
)
def test_interrupted_upload_counts_as_results_not_stored(ending: JobResult, becomes: JobResult) -> None:
    assert with_upload_interrupted(ending) == becomes


BAD_NAME, LINK = UnstoredFile("caf\\xe9", "its name is not UTF-8"), UnstoredFile("l", "a link out", has_content=False)
FULL = UnstoredFile("model/w", "quota")
DONE, FAILED = JobResult(TrainingState.COMPLETED, 0), JobResult(TrainingState.ERROR, 3, "C201", "exited with 3")


@pytest.mark.parametrize(
    ("ending", "stored", "canceled", "becomes"),
    [
        (DONE, UploadReport(2), False, replace(DONE, stored=True)),
        (DONE, UploadReport(0), False, DONE),
        (
            DONE,
            UploadReport(2, (BAD_NAME, LINK)),
            False,
            replace(
                DONE,
                stored=True,
                warnings=("not stored: caf\\xe9: its name is not UTF-8", "not stored: l: a link out"),
                keep_results=True,
            ),
        ),
        (DONE, UploadReport(0, (LINK,)), False, replace(DONE, warnings=("not stored: l: a link out",))),
        (
            DONE,
            UploadReport(2, (), (FULL, FULL)),
            False,
            JobResult(
                TrainingState.ERROR,
                0,
                "S303",
                "the results were not stored: model/w: quota (and 1 more files)",
                stored=True,
                warnings=("not stored: model/w: quota",) * 2,
                keep_results=True,
            ),
        ),
        (
            DONE,
            UploadReport(0, (), (FULL,)),
            True,
            JobResult(
                TrainingState.CANCELED,
                0,
                None,
                "the results were not stored: model/w: quota",
                warnings=("not stored: model/w: quota",),
                keep_results=True,
            ),
        ),
        (
            FAILED,
            UploadReport(1, (), (FULL,)),
            False,
            replace(
                FAILED,
                reason="exited with 3; the results were not stored: model/w: quota",
                stored=True,
                warnings=("not stored: model/w: quota",),
                keep_results=True,
            ),
        ),
    ],
)
def test_unstored_files_fail_a_training_only_if_the_store_refused_them(
    ending: JobResult, stored: UploadReport, canceled: bool, becomes: JobResult
) -> None:
    assert with_upload_report(ending, stored, canceled=canceled) == becomes


def test_warnings_name_a_limited_number_of_files() -> None:
    ending = with_upload_report(DONE, UploadReport(1, (LINK,) * 100), canceled=False)
    assert len(ending.warnings) == MAX_WARNINGS + 1
    assert ending.warnings[-1] == "not stored: 80 more files; see store-results.log"


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (StoreRefused("no"), "S302", "no"),
        (HostError("no uv"), "S302", "no uv"),
        (InvalidBundle("no zip"), "C102", "no zip"),
        (OSError(errno.ENOSPC, "No space left on device"), "S302", "The disk of the job directory is full"),
    ],
)
def test_stage_errors_have_the_code_of_their_stage(error: Exception, code: str, reason: str) -> None:
    with pytest.raises(StageError) as caught, stage_errors("S302"):
        raise error
    assert (caught.value.code, caught.value.reason) == (code, reason)
    assert code in {*TRAINING_ERROR_CODES, "C102"}


def test_reason_and_warnings_have_no_secret() -> None:
    result = JobResult(TrainingState.ERROR, reason="out/hf_abcdef: refused", warnings=("not stored: hf_abcdef.txt",))
    shown = without_secrets(result, SecretMask.of_values(["hf_abcdef"]))
    assert (shown.reason, shown.warnings) == ("out/***: refused", ("not stored: ***.txt",))
    assert without_secrets(replace(result, reason=None), SecretMask()).reason is None
