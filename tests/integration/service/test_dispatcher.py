"""The dispatcher on a real store and real job directories, with a fake runner; the tests write the learner's files."""

from __future__ import annotations

import json

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import NotFound
from airflow_dlaas.service.dispatcher import loop
from airflow_dlaas.service.dispatcher.decide import LOST_AFTER
from airflow_dlaas.service.dispatcher.lease import LEASE_DURATION
from airflow_dlaas.service.dispatcher.loop import RELOAD_INTERVAL, Dispatcher
from airflow_dlaas.service.job_files import read_job_file, write_job_file
from airflow_dlaas.service.job_reports import ExitIfLostFile, ProcessIdentity
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.claim import claim
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.store.sql import SqlStore
from tests.integration.service.dispatcher_bench import SECRET, Bench, CountingStore, FlakyStore, example_definition
from tests.waiting import until


@pytest.fixture
def bench(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/database.sqlite")
    yield Bench(tmp_path, store)
    store.close()


def test_dispatcher_starts_follows_and_finishes_a_training(bench):
    one = bench.submit("training-a")
    assert bench.dispatcher.run_once()
    assert bench.runner.started == [one]
    assert bench.training(one).gpus == ("virtual:0",)
    bench.write_phase(one, Phase.LOADING)
    bench.dispatcher.run_once()
    assert (bench.training(one).state, bench.training(one).phase) == (TrainingState.RUNNING, Phase.LOADING)
    bench.write_exit(one)
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert (ended.state, ended.exit_code, ended.stored) == (TrainingState.COMPLETED, 0, True)
    with pytest.raises(NotFound):
        bench.store.get_definition_with_secrets(one)
    assert not bench.dispatcher.run_once()


def test_job_directory_has_secrets_only_in_the_secrets_file(bench):
    bench.dispatcher.run_once()
    job = bench.job_directories.job_directory(bench.submit("training-a"))
    bench.dispatcher.run_once()
    assert job.path.stat().st_mode & 0o777 == 0o700
    assert job.secrets.stat().st_mode & 0o777 == 0o600
    sent = json.loads(job.secrets.read_text())
    assert TrainingDefinition.parse(sent) == example_definition()
    assert SECRET in job.secrets.read_text()
    assert SECRET not in job.spec.read_text()
    spec = read_job_file(job.spec, JobSpec)
    assert spec is not None
    assert (spec.command, spec.gpus, spec.timeout) == ("true", ("virtual:0",), 60)


def test_failed_start_ends_the_training_as_a_service_error_without_secrets(bench):
    bench.runner.fails_to_start = True
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert ended.state is TrainingState.ERROR
    assert ended.error is not None
    assert ended.error.code == "S101"
    assert "no more processes" in ended.error.message
    assert not bench.job_directories.job_directory(one).secrets.exists()


def test_failed_start_does_not_block_the_next_training(bench):
    bench.runner.fails_to_start = True
    bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.runner.fails_to_start = False
    bench.submit("training-b")
    bench.dispatcher.run_once()
    assert bench.runner.started == ["training-b"]


def test_cancel_stops_the_learner_and_its_exit_file_decides(bench):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.store.request_cancel("dlaas", one, bench.clock.now)
    bench.dispatcher.run_once()
    bench.dispatcher.run_once()
    assert bench.runner.stopped == [one]
    bench.write_exit(one, TrainingState.CANCELED, exit_code=143)
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.CANCELED


def test_vanished_learner_is_reported_as_lost_after_a_delay(bench, caplog):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.runner.liveness[one] = Liveness.GONE
    write_job_file(
        bench.job_directories.job_directory(one).run,
        ProcessIdentity(pid=1, start_ticks=1, boot_id="?"),
    )
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.PENDING
    bench.pass_time(5)
    bench.dispatcher.run_once()
    assert bench.runner.killed_leftovers == [one]
    ended = bench.training(one)
    assert ended.error is not None
    assert (ended.error.code, "restarted" in ended.error.message) == ("S100", True)


def test_leftovers_of_a_lost_learner_are_killed_by_the_next_service(bench):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.job_directories.job_directory(one).run.touch()
    bench.runner.liveness[one] = Liveness.GONE
    bench.dispatcher = bench.new_dispatcher("one")  # the service was restarted
    bench.dispatcher.run_once()
    bench.pass_time(LOST_AFTER + 1)
    bench.dispatcher.run_once()
    assert bench.runner.killed_leftovers == [one]
    assert bench.training(one).state is TrainingState.ERROR


def test_exit_code_is_kept_if_the_learner_is_lost_while_storing(bench, caplog):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.write_phase(one, Phase.STORING)
    known = ExitIfLostFile(
        state=TrainingState.ERROR, exit_code=0, code="S303", reason="interrupted", finished_at=bench.clock.now
    )
    write_job_file(bench.job_directories.job_directory(one).exit_if_lost, known)
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.RUNNING  # the learner is alive
    bench.runner.liveness[one] = Liveness.GONE
    bench.dispatcher.run_once()
    bench.pass_time(LOST_AFTER + 1)
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert bench.runner.killed_leftovers == [one]
    assert (ended.state, ended.exit_code, ended.error.code) == (TrainingState.ERROR, 0, "S303")


def test_next_dispatcher_starts_a_training_with_reserved_gpus(bench):
    one = bench.submit("training-a")
    assert bench.store.reserve_gpus(one, ["virtual:2"], bench.clock.now)
    bench.dispatcher.run_once()
    assert bench.runner.started == [one]
    assert bench.training(one).gpus == ("virtual:2",)


def test_claimed_job_does_not_get_its_secrets_again(bench):
    one = bench.submit("training-a")
    assert bench.store.reserve_gpus(one, ["virtual:0"], bench.clock.now)
    job = bench.job_directories.job_directory(one)
    job.path.mkdir(parents=True)
    write_job_file(job.run, ProcessIdentity(pid=1, start_ticks=1, boot_id="?"))
    bench.dispatcher.run_once()
    assert not job.secrets.exists()


def test_only_the_lease_holder_of_two_dispatchers_acts(bench):
    second = bench.new_dispatcher("two")
    bench.dispatcher.run_once()
    bench.submit("training-a")
    assert not second.run_once()
    assert bench.runner.started == []
    bench.pass_time(LEASE_DURATION.total_seconds() + 1)
    assert second.run_once()
    assert bench.runner.started == ["training-a"]


def test_stopped_dispatcher_releases_its_lease_at_once(bench):
    bench.dispatcher.start()
    until(
        lambda: not bench.store.acquire_lease("dispatcher", "two", bench.clock.now, bench.clock.now),
        details=bench.store.count_trainings,
    )
    bench.dispatcher.stop()
    assert bench.store.acquire_lease("dispatcher", "two", bench.clock.now, bench.clock.now)


def test_restarted_service_takes_its_own_lease_at_once(bench):
    bench.dispatcher.run_once()
    bench.submit("training-a")
    assert bench.new_dispatcher("one").run_once()


def test_wake_starts_a_submitted_training_at_once(bench, monkeypatch):
    monkeypatch.setattr(loop, "IDLE_INTERVAL", 3600.0)
    bench.store = CountingStore(bench.store)
    dispatcher = bench.new_dispatcher("one")
    dispatcher.start()
    try:
        # The first round has read the store: without `wake`, the training would wait for the next round, in an hour.
        until(lambda: bench.store.calls["list_unfinished"], details=lambda: bench.store.calls)
        one = bench.submit("training-a")
        dispatcher.wake()
        until(lambda: bench.runner.started, details=lambda: bench.training(one))
    finally:
        dispatcher.stop()


def test_dispatcher_without_a_lease_after_a_freeze_does_nothing(bench):
    first, second = bench.dispatcher, bench.new_dispatcher("two")
    one = bench.submit("training-a")
    first.run_once()
    # The first dispatcher is frozen between its observation and its actions; meanwhile the second one gets the lease.
    bench.runner.on_poll = lambda: (bench.pass_time(LEASE_DURATION.total_seconds() + 1), second.run_once())
    other = bench.submit("training-b")
    first.run_once()
    assert bench.runner.started == [one, other]
    third = bench.submit("training-c")
    assert not first.run_once()
    assert second.run_once()
    assert bench.runner.started == [one, other, third]


def test_dispatcher_with_an_expired_lease_starts_nothing(bench, caplog):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.submit("training-b")
    bench.runner.on_poll = lambda: bench.pass_time(LEASE_DURATION.total_seconds())
    bench.dispatcher.run_once()
    assert bench.runner.started == [one]
    assert "lease ran out" in caplog.text
    bench.dispatcher.run_once()
    assert bench.runner.started == [one, "training-b"]


def test_lease_is_renewed_during_a_long_round(bench):
    for name in "abc":
        bench.submit(f"training-{name}")
    bench.runner.on_start = lambda: bench.pass_time(LEASE_DURATION.total_seconds() * 0.6)
    bench.dispatcher.run_once()
    assert len(bench.runner.started) == 3
    assert not bench.new_dispatcher("two").run_once()


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
def test_clock_jump_delays_the_next_lease_by_one_lease_at_most(bench, hours):
    second = bench.new_dispatcher("two")
    bench.dispatcher.run_once()
    bench.shift_wall_clock(hours * 3600)
    # The first dispatcher has ended: another one gets the lease within one lease duration.
    bench.pass_time(LEASE_DURATION.total_seconds())
    bench.submit("training-a")
    assert second.run_once()
    assert bench.runner.started == ["training-a"]


def test_lease_is_renewed_after_the_clock_was_set_back(bench):
    bench.dispatcher.run_once()
    bench.shift_wall_clock(-3600)
    bench.pass_time(LEASE_DURATION.total_seconds())
    bench.submit("training-a")
    bench.dispatcher.run_once()
    assert not bench.store.acquire_lease("dispatcher", "two", bench.clock.now, bench.clock.now)


def test_cancel_and_lost_learner_are_handled_after_the_clock_was_set_back(bench, caplog):
    one, two = bench.submit("training-a"), bench.submit("training-b")
    bench.dispatcher.run_once()
    bench.store.request_cancel("dlaas", one, bench.clock.now)
    bench.runner.liveness[two] = Liveness.GONE
    write_job_file(
        bench.job_directories.job_directory(two).run,
        ProcessIdentity(pid=1, start_ticks=1, boot_id="?"),
    )
    bench.dispatcher.run_once()
    bench.shift_wall_clock(-3600)
    bench.pass_time(11)
    bench.dispatcher.run_once()
    bench.dispatcher.run_once()
    assert bench.runner.stopped == [one, one]
    assert bench.training(two).state is TrainingState.ERROR


def test_failed_start_does_not_end_a_training_with_a_learner(bench, caplog):
    one = bench.submit("training-a")
    assert bench.store.reserve_gpus(
        one, ["virtual:0"], bench.clock.now
    )  # as by a dispatcher that died after the start of a learner
    job = bench.job_directories.job_directory(one)
    job.path.mkdir(parents=True)
    write_job_file(job.run, ProcessIdentity(pid=1, start_ticks=1, boot_id="?"))
    bench.runner.fails_to_start = True
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.PENDING
    bench.runner.fails_to_start = False
    bench.dispatcher.run_once()
    bench.write_exit(one)
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.COMPLETED


def test_abandoned_job_cannot_be_claimed(bench, caplog):
    bench.runner.fails_to_start = True
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.ERROR
    assert not claim(
        bench.job_directories.job_directory(one)
    )  # a learner that was started before the error, and runs only now


def test_end_that_could_not_be_recorded_is_recorded_unchanged_later(bench, caplog):
    store = FlakyStore(bench.store, "finish")
    dispatcher = Dispatcher(
        store, bench.runner, bench.job_directories, slots=["virtual:0"], lease_holder="one", clock=bench.clock
    )
    bench.runner.fails_to_start = True
    one = bench.submit("training-a")
    dispatcher.run_once()
    assert bench.training(one).state is TrainingState.PENDING
    dispatcher.run_once()
    ended = bench.training(one)
    assert ended.error is not None
    assert (ended.error.code, "no more processes" in ended.error.message) == ("S101", True)


def test_failed_write_of_the_handle_starts_no_further_learners(bench, caplog):
    dispatcher = Dispatcher(
        FlakyStore(bench.store, "set_handle", times=10),
        bench.runner,
        bench.job_directories,
        slots=["virtual:0"],
        lease_holder="one",
        clock=bench.clock,
        monotonic_clock=bench.clock.monotonic,
    )
    one = bench.submit("training-a")
    for _ in range(20):
        dispatcher.run_once()
    assert bench.runner.started == [one]
    write_job_file(
        bench.job_directories.job_directory(one).run,
        ProcessIdentity(pid=1, start_ticks=1, boot_id="?"),
    )
    for _ in range(15):
        bench.pass_time(20)
        dispatcher.run_once()
    assert bench.training(one).handle == f"handle of {one}"
    assert not bench.training(one).state.is_final


def test_leftover_of_an_interrupted_write_of_secrets_is_removed(bench):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    job = bench.job_directories.job_directory(one)
    (job.path / ".secrets.json.4711").write_text(SECRET)
    bench.write_exit(one)
    bench.dispatcher.run_once()
    assert not [path for path in job.path.iterdir() if SECRET in path.read_text()]


def test_dispatcher_retries_after_a_database_error(bench, caplog):
    bench.dispatcher.run_once()
    broken = Dispatcher(
        FlakyStore(bench.store, "list_unfinished"),
        bench.runner,
        bench.job_directories,
        slots=["virtual:0"],
        lease_holder="one",
        clock=bench.clock,
    )
    bench.submit("training-a")
    broken.start()
    try:
        until(lambda: bench.runner.started, details=lambda: caplog.text)
    finally:
        broken.stop()
    assert "round failed" in caplog.text


def test_unfinished_trainings_are_read_only_after_a_change_or_an_interval(bench):
    """Reading a thousand queued trainings in each round would take a tenth of a CPU core."""
    store = CountingStore(bench.store)
    dispatcher = Dispatcher(
        store,
        bench.runner,
        bench.job_directories,
        slots=["virtual:0"],
        lease_holder="one",
        clock=bench.clock,
        monotonic_clock=bench.clock.monotonic,
    )
    one, two = bench.submit("training-a"), bench.submit("training-b")

    def reads(rounds: int = 5) -> int:
        before = store.calls["list_unfinished"]
        for _ in range(rounds):
            dispatcher.run_once()
        return store.calls["list_unfinished"] - before

    reads()
    assert bench.runner.started == [one]
    assert reads() == 0
    bench.store.request_cancel("dlaas", two, bench.clock())
    assert reads() == 1
    assert bench.training(two).state is TrainingState.CANCELED
    bench.pass_time(RELOAD_INTERVAL)
    assert reads() >= 1
