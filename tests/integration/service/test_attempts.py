"""Attempts of a training: the dispatcher on a real store and real job directories, with a fake runner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_dlaas.contract.attempts import ResumedFrom
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import HostError, NotFound
from airflow_dlaas.service.dispatcher.decide import LOST_AFTER
from airflow_dlaas.service.job_files import JobDirectory, read_job_file, write_job_file
from airflow_dlaas.service.job_reports import CheckpointsFile, ProcessIdentity
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.store.sql import SqlStore
from tests.integration.service.dispatcher_bench import Bench, FlakyStore

RECOVERY = {"attempts": 3, "exit_codes": [75]}
LEARNER = ProcessIdentity(pid=1, start_ticks=1, boot_id="?")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    store = SqlStore(f"sqlite:///{tmp_path}/database.sqlite")
    yield Bench(tmp_path, store)
    store.close()


def job(bench: Bench, id: str = "a") -> JobDirectory:
    return bench.job_directories.job_directory(id)


def run_attempt(bench: Bench, attempt: int, id: str = "a") -> None:
    """Let the dispatcher start an attempt, and a learner of it begin."""
    bench.dispatcher.run_once()
    assert bench.training(id).started_at is not None
    spec = read_job_file(job(bench, id).spec, JobSpec)
    assert spec is not None
    assert spec.attempt == bench.training(id).attempt == attempt
    job(bench, id).secrets.unlink()
    write_job_file(job(bench, id).run, LEARNER)
    bench.runner.liveness[id] = Liveness.ALIVE
    bench.write_phase(id, Phase.PROCESSING, attempt)
    bench.dispatcher.run_once()
    assert bench.training(id).phase is Phase.PROCESSING


def lose_learner(bench: Bench, id: str = "a") -> None:
    bench.runner.liveness[id] = Liveness.GONE
    bench.dispatcher.run_once()
    bench.pass_time(LOST_AFTER)
    bench.dispatcher.run_once()


def end_learner(bench: Bench, exit_code: int, attempt: int = 1) -> None:
    """Let the command end with an error, and the learner soon after it has written exit.json."""
    bench.write_exit("a", TrainingState.ERROR, exit_code, attempt)
    bench.dispatcher.run_once()
    bench.runner.liveness["a"] = Liveness.GONE
    bench.dispatcher.run_once()


def test_training_goes_on_after_its_learner_was_lost(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench.submit("a", recovery=RECOVERY)
    run_attempt(bench, 1)
    begun = bench.training("a").running_at
    resumed = ResumedFrom(training_id="earlier", attempt=1, number=2)
    write_job_file(job(bench).checkpoints, CheckpointsFile(resumed_from=resumed))
    lose_learner(bench)
    waiting = bench.training("a")
    assert (waiting.state, waiting.phase, waiting.attempt) == (TrainingState.RUNNING, Phase.RECOVERING, 2)
    assert [(one.number, one.code, one.resumed_from) for one in waiting.ended_attempts] == [(1, "S100", resumed)]
    assert bench.runner.killed_leftovers == ["a"]
    assert "Training a: attempt 1 ended (machine restarted); attempt 2 of 3 waits for GPUs" in caplog.messages
    run_attempt(bench, 2)
    bench.write_exit("a", attempt=2)
    bench.dispatcher.run_once()
    ended = bench.training("a")
    assert (ended.state, ended.attempt, ended.exit_code, ended.running_at) == (TrainingState.COMPLETED, 2, 0, begun)
    with pytest.raises(NotFound):
        bench.store.get_definition_with_secrets("a")


def test_training_ends_with_the_last_attempt(bench: Bench) -> None:
    bench.submit("a", recovery=RECOVERY)
    for attempt in (1, 2, 3):
        run_attempt(bench, attempt)
        end_learner(bench, exit_code=75, attempt=attempt)
    ended = bench.training("a")
    assert (ended.state, ended.exit_code, ended.attempt) == (TrainingState.ERROR, 75, 3)
    assert [one.exit_code for one in ended.ended_attempts] == [75, 75]
    assert bench.runner.started == ["a"] * 3


def test_cancel_between_two_attempts_ends_the_training_and_starts_nothing(bench: Bench) -> None:
    bench.submit("a", recovery=RECOVERY)
    run_attempt(bench, 1)
    lose_learner(bench)
    canceled = bench.store.request_cancel("dlaas", "a", bench.clock.now)
    assert canceled.state is TrainingState.CANCELED
    assert not bench.dispatcher.run_once()
    assert bench.runner.started == ["a"]


def test_cancel_at_the_moment_of_the_recovery_prevents_it(bench: Bench) -> None:
    bench.submit("a", recovery=RECOVERY)
    run_attempt(bench, 1)
    bench.runner.liveness["a"] = Liveness.GONE
    bench.dispatcher.run_once()
    bench.pass_time(LOST_AFTER)
    bench.runner.on_poll = lambda: bench.store.request_cancel("dlaas", "a", bench.clock.now)
    bench.dispatcher.run_once()
    assert bench.training("a").attempt == 1
    bench.dispatcher.run_once()
    assert bench.training("a").state is TrainingState.CANCELED


def test_recovering_training_comes_before_those_that_were_submitted_later(bench: Bench) -> None:
    bench.submit("a", 4, recovery=RECOVERY)
    bench.submit("b", 4)
    run_attempt(bench, 1)
    lose_learner(bench)
    assert bench.store.list_queue() == ["a", "b"]
    run_attempt(bench, 2)
    assert bench.runner.started == ["a", "a"]


def test_files_of_an_earlier_attempt_neither_end_nor_advance_the_present_one(bench: Bench) -> None:
    bench.submit("a", recovery=RECOVERY)
    run_attempt(bench, 1)
    lose_learner(bench)
    run_attempt(bench, 2)
    bench.write_exit("a", TrainingState.ERROR, exit_code=1, attempt=1)
    bench.write_phase("a", Phase.STORING, attempt=1)
    bench.dispatcher.run_once()
    going = bench.training("a")
    assert (going.state, going.phase, going.attempt) == (TrainingState.RUNNING, Phase.PROCESSING, 2)


def test_waiting_job_directory_of_an_earlier_attempt_is_ignored_until_it_is_prepared(bench: Bench) -> None:
    bench.submit("a", recovery=RECOVERY)
    run_attempt(bench, 1)
    end_learner(bench, exit_code=75)
    # As after a kill of the service between the reservation and the preparation.
    assert bench.store.reserve_gpus("a", ["virtual:0"], bench.clock.now)
    second = bench.new_dispatcher("one")
    second.run_once()
    assert bench.training("a").state is TrainingState.RUNNING
    spec = read_job_file(job(bench).spec, JobSpec)
    assert spec is not None
    assert (spec.attempt, job(bench).is_claimed, job(bench).exit.exists()) == (2, False, False)
    assert bench.runner.started == ["a", "a"]
    assert job(bench).secrets.exists()


def test_unreadable_files_of_the_earlier_attempt_are_no_obstacle(bench: Bench) -> None:
    bench.submit("a", recovery=RECOVERY)
    run_attempt(bench, 1)
    for path in (job(bench).spec, job(bench).exit, job(bench).phase):
        path.write_text("no JSON")
    lose_learner(bench)
    assert bench.training("a").attempt == 2
    run_attempt(bench, 2)


def test_next_attempt_that_cannot_be_started_ends_the_training(bench: Bench) -> None:
    bench.submit("a", recovery=RECOVERY)
    run_attempt(bench, 1)
    lose_learner(bench)

    def forget(key: str) -> RuntimeSpec:
        raise HostError(f"The catalogue has no runtime {key}")

    bench.job_directories = replace(bench.job_directories, runtime_spec=forget)
    bench.dispatcher = bench.new_dispatcher("one")
    bench.dispatcher.run_once()
    ended = bench.training("a")
    assert (ended.state, ended.attempt) == (TrainingState.ERROR, 2)
    assert ended.error is not None
    assert (ended.error.code, "The catalogue has no runtime" in ended.error.message) == ("S101", True)


def test_recovery_that_the_database_refuses_is_repeated_and_keeps_the_slots(bench: Bench) -> None:
    bench.submit("a", 4, recovery=RECOVERY)
    bench.submit("b")
    run_attempt(bench, 1)
    bench.store = FlakyStore(bench.store, "begin_next_attempt", 2)  # type: ignore[assignment]
    bench.dispatcher = bench.new_dispatcher("one")
    lose_learner(bench)
    bench.dispatcher.run_once()
    assert (bench.training("a").attempt, bench.training("b").started_at) == (1, None)
    bench.dispatcher.run_once()
    assert bench.training("a").attempt == 2


def test_training_resumes_after_the_end_of_the_one_before_it(bench: Bench) -> None:
    bench.submit("a")
    bench.submit("b", resume_from="a")
    bench.submit("c")
    run_attempt(bench, 1)
    assert bench.runner.started == ["a", "c"]
    bench.write_exit("a", TrainingState.ERROR, exit_code=1)
    bench.dispatcher.run_once()
    bench.dispatcher.run_once()
    assert bench.runner.started == ["a", "c", "b"]


def test_spec_has_the_limits_of_the_site(bench: Bench) -> None:
    bench.job_directories = replace(bench.job_directories, checkpoints_kept=5, grace_limit=12)
    bench.dispatcher = bench.new_dispatcher("one")
    bench.submit("a")
    bench.dispatcher.run_once()
    spec = read_job_file(job(bench).spec, JobSpec)
    assert spec is not None
    assert (spec.attempt, spec.checkpoints_kept, spec.grace, spec.checkpoint_sources) == (1, 5, 12, ())
