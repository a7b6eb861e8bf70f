"""When a command counts as stalled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.contract.training import GpuUsage, ResourceUsage
from airflow_dlaas.contract.watchdog import Watchdog
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.learner import command_watch
from airflow_dlaas.service.learner.command_watch import CommandWatch, watch_command
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.watchdog import CommandActivity, find_stalls, has_recovered, seconds_until_check
from airflow_dlaas.service.stall_report import Stall, StallCause, StallsFile
from tests.waiting import until

SILENT = Watchdog(silent_for=60)
IDLE = Watchdog(gpu_below=5, gpu_window=100)
EPOCH = datetime(2026, 3, 1, tzinfo=timezone.utc)


def use(*percents: float | None) -> ResourceUsage:
    return ResourceUsage(at=EPOCH, gpus=tuple(GpuUsage(name=str(i), utilization=one) for i, one in enumerate(percents)))


def measured(*percents: float, step: float = 10.0, started_at: float = 0.0) -> CommandActivity:
    """Return a command whose GPUs had these uses, one each *step* seconds after its start."""
    activity = CommandActivity(started_at)
    for number, percent in enumerate(percents):
        activity.add_usage(use(percent), started_at + step * (number + 1), IDLE.gpu_window)
    return activity


def causes(watchdog: Watchdog, activity: CommandActivity, now: float) -> list[StallCause]:
    return [one.cause for one in find_stalls(watchdog, activity, now)]


@pytest.mark.parametrize(
    ("output_at", "now", "is_stalled"),
    [(None, 159.9, False), (None, 160.0, True), (150.0, 209.9, False), (150.0, 210.0, True), (20.0, 159.9, False)],
)
def test_command_is_stalled_that_has_written_nothing_since_its_start_or_its_last_output(
    output_at: float | None, now: float, is_stalled: bool
) -> None:
    activity = CommandActivity(100.0, output_at)
    assert causes(SILENT, activity, now) == ([StallCause.SILENT] if is_stalled else [])
    assert has_recovered(StallCause.SILENT, SILENT, activity, now) != is_stalled


def test_silence_is_checked_at_the_moment_of_its_limit() -> None:
    activity = CommandActivity(0.0)
    assert seconds_until_check(SILENT, activity, 0.0) == 5.0
    assert seconds_until_check(SILENT, activity, 58.0) == 2.0
    assert seconds_until_check(Watchdog(silent_for=0.2), activity, 0.1) == pytest.approx(0.1)
    assert seconds_until_check(Watchdog(silent_for=0.001), activity, 9.0) == 0.1
    assert seconds_until_check(SILENT, activity, 999.0) == seconds_until_check(IDLE, activity, 0.0) == 5.0


def test_low_mean_use_of_the_gpus_over_a_whole_window_is_a_stall() -> None:
    assert causes(IDLE, measured(*[0.0] * 9), 99.0) == []
    assert causes(IDLE, measured(*[0.0] * 10), 100.0) == [StallCause.IDLE_GPU]
    assert causes(IDLE, measured(*[4.0, 5.9] * 5), 100.0) == [StallCause.IDLE_GPU]
    assert causes(IDLE, measured(*[4.0, 6.1] * 5), 100.0) == []
    busy_before = measured(*[100.0] * 10, *[0.0] * 11)
    assert causes(IDLE, busy_before, 210.0) == [StallCause.IDLE_GPU]
    assert [one.since for one in find_stalls(IDLE, busy_before, 210.0)] == [110.0]


def test_mean_is_that_of_all_gpus_of_the_training_whose_use_is_known() -> None:
    activity = CommandActivity(0.0)
    for second in range(10, 101, 10):
        activity.add_usage(use(0.0, 9.0, None), second, IDLE.gpu_window)
    assert activity.mean_gpu_use(IDLE.gpu_window, 100.0) == 4.5
    assert len(activity.gpu_use) == 10


def test_gap_in_the_measurements_is_no_stall_and_no_recovery() -> None:
    silent_driver = measured(*[0.0] * 10)
    assert causes(IDLE, silent_driver, 100.0) == [StallCause.IDLE_GPU]
    assert causes(IDLE, silent_driver, 120.0) == []
    assert not has_recovered(StallCause.IDLE_GPU, IDLE, silent_driver, 120.0)
    assert causes(IDLE, CommandActivity(0.0), 1000.0) == []
    assert has_recovered(StallCause.IDLE_GPU, IDLE, measured(*[6.0] * 10), 100.0)


def test_both_limits_may_be_passed() -> None:
    both = Watchdog(silent_for=60, gpu_below=5, gpu_window=100)
    assert causes(both, measured(*[0.0] * 10), 100.0) == [StallCause.SILENT, StallCause.IDLE_GPU]


def test_seconds_of_stalls_that_overlap_count_once() -> None:
    def at(second: float) -> datetime:
        return EPOCH + timedelta(seconds=second)

    def stall(since: float, until: float | None) -> Stall:
        return Stall(cause=StallCause.SILENT, text="", since=at(since), until=None if until is None else at(until))

    assert StallsFile().seconds(at(0)) == 0
    assert StallsFile(stalls=(stall(0, 10), stall(5, 7), stall(8, 20), stall(30, None))).seconds(at(35)) == 25
    assert StallsFile(stalls=(stall(0, 10),), more_seconds=5).seconds(at(99)) == 15


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def date(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now - 1000)


class Watched:
    """A watch with its log, a clock and what it did."""

    def __init__(self, folder: Path, logger: logging.Logger, **watchdog: Any) -> None:
        self.clock = Clock()
        self.job = JobDirectory(folder)
        self.log = LogWriter(self.job.log, 10**6, logger, clock=self.clock)
        self.wakes: list[None] = []
        self.watch = CommandWatch(
            Watchdog.model_validate(watchdog),
            self.job,
            self.log,
            lambda: self.wakes.append(None),
            clock=self.clock,
            utc_clock=self.clock.date,
        )

    def after(self, seconds: float, output: bytes = b"") -> None:
        self.clock.now += seconds
        if output:
            self.log.write(output)
        self.watch.check()

    def lines(self) -> list[str]:
        return [line for line in self.job.log.read_text().splitlines() if "Watchdog" in line]

    def stalls(self) -> StallsFile:
        return read_job_file(self.job.stalls, StallsFile) or StallsFile()


Make = Callable[..., Watched]


@pytest.fixture
def make(tmp_path: Path, logger: logging.Logger) -> Make:
    return lambda **watchdog: Watched(tmp_path, logger, **watchdog)


def test_each_stall_is_one_warning_and_its_end_is_a_line(make: Make) -> None:
    watched = make(silent_for=10)
    watched.after(9)
    assert (watched.lines(), watched.stalls().texts) == ([], ())
    for _ in range(3):
        watched.after(5)
    (line,) = watched.lines()
    text = (
        "the command has done no work since 2026-03-01T00:00:00.000Z: it has written nothing to its log for 10 "
        "seconds, the limit silent_for"
    )
    assert line == f"[dlaas] Watchdog: {text}"
    assert watched.stalls().texts == (text,)
    assert watched.stalls().version == 1
    watched.after(6, b"epoch 1\n")
    assert watched.lines()[1:] == ["[dlaas] Watchdog: the command writes to its log again"]
    assert (watched.stalls().version, watched.stalls().texts, watched.stalls().seconds(EPOCH)) == (2, (text,), 30)
    watched.after(11)
    watched.clock.now += 4
    watched.watch.close()
    assert [(one.since, one.until) for one in watched.stalls().stalls] == [
        (EPOCH, EPOCH + timedelta(seconds=30)),
        (EPOCH + timedelta(seconds=30), EPOCH + timedelta(seconds=45)),
    ]
    assert (watched.watch.stop_reason, watched.wakes) == (None, [])


def test_warning_itself_is_no_output_of_the_command(make: Make) -> None:
    watched = make(silent_for=10)
    watched.after(10)
    watched.log.write_message("a line of the learner")
    watched.after(1)
    assert len(watched.lines()) == 1


def test_output_that_a_full_log_drops_is_output(make: Make) -> None:
    watched = make(silent_for=10)
    watched.log.write(b"x" * 10**6 + b"dropped")
    watched.after(9, b"dropped too")
    watched.after(9)
    assert watched.lines() == []


def test_action_cancel_gives_the_reason_once(make: Make) -> None:
    watched = make(silent_for=10, action="cancel")
    watched.after(10)
    reason = watched.watch.stop_reason
    assert reason == "it has written nothing to its log for 10 seconds, the limit silent_for"
    watched.after(1, b"ended\n")
    watched.after(10)
    assert (watched.watch.stop_reason, len(watched.wakes)) == (reason, 1)


def test_gpu_use_comes_from_the_measurements_of_the_job(make: Make) -> None:
    watched = make(gpu_below=5, gpu_window=20)
    for number in range(5):
        usage = use(1.0).model_copy(update={"at": watched.clock.date() + timedelta(seconds=number)})
        watched.job.usage.write_text(usage.model_dump_json())
        watched.after(5)
    (line,) = watched.lines()
    assert "the mean use of its GPUs was 1.0 % over 20 seconds; the limit gpu_below is 5 %" in line
    watched.job.usage.write_text("{broken")
    watched.after(5)
    assert len(watched.lines()) == 1


def test_number_of_reported_stalls_is_limited_and_all_are_counted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_watch, "MAX_REPORTED_STALLS", 2)
    watched = make(silent_for=10)
    for _ in range(5):
        watched.after(10)
        watched.after(5, b"x")
    watched.watch.close()
    assert len(watched.stalls().stalls) == 2
    assert watched.stalls().seconds(EPOCH) == 75
    assert sum("no work since" in line for line in watched.lines()) == 2
    assert watched.lines()[-1] == "[dlaas] Watchdog: the command writes to its log again"
    assert len(watched.lines()) == 5


def test_watch_runs_while_the_block_runs(tmp_path: Path, logger: logging.Logger) -> None:
    job, wakes = JobDirectory(tmp_path), list[None]()
    log = LogWriter(job.log, 10**6, logger)
    watchdog = Watchdog(silent_for=0.05, gpu_below=5, action="cancel")  # type: ignore[arg-type]
    with watch_command(watchdog, job, log, has_gpus=False, wake=lambda: wakes.append(None)) as get_stop_reason:
        until(get_stop_reason)
    assert wakes == [None]
    assert "gpu_below has no effect" in job.log.read_text()
    (stall,) = (read_job_file(job.stalls, StallsFile) or StallsFile()).stalls
    assert stall.until is not None
    with watch_command(None, job, log, has_gpus=True, wake=lambda: None) as get_stop_reason:
        assert get_stop_reason() is None
