"""The dispatcher on a real store and real job folders, with a runner whose learners a test plays."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import HostError, NotFound
from airflow_dlaas.service.dispatcher import loop
from airflow_dlaas.service.dispatcher.decide import LOST_AFTER
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.dispatcher.lease import LEASE_DURATION
from airflow_dlaas.service.dispatcher.loop import RELOAD_INTERVAL, Dispatcher
from airflow_dlaas.service.job_files import (
    ExitFile,
    ExitIfLostFile,
    JobDirectory,
    PhaseFile,
    ProcessIdentity,
    read_job_file,
    write_text_atomic,
)
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from airflow_dlaas.service.learner.claim import claim
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.store.base import TrainingRecord
from airflow_dlaas.service.store.sql import SqlStore
from tests.waiting import until

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
SECRET = "hush-7f3a"


@dataclass
class Stage:
    """A runner that starts nobody and sees what the test says."""

    started: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)
    sights: dict[str, Liveness] = field(default_factory=dict)
    broken: bool = False
    while_looking: Callable[[], object] | None = None
    """What happens elsewhere while it looks."""
    while_starting: Callable[[], object] | None = None

    def start(self, job: JobDirectory) -> str:
        if self.broken:
            raise HostError("no more processes")
        if self.while_starting is not None:
            self.while_starting()
        self.started.append(job.path.name)
        return f"handle of {job.path.name}"

    def poll(self, jobs: Mapping[str, JobDirectory]) -> Mapping[str, Liveness]:
        happening, self.while_looking = self.while_looking, None
        if happening is not None:
            happening()
        return {handle: self.sights.get(handle.removeprefix("handle of "), Liveness.ALIVE) for handle in jobs}

    def stop(self, handles: Collection[str], jobs: Mapping[str, JobDirectory]) -> None:
        assert set(handles) == set(jobs)
        self.stopped += [handle.removeprefix("handle of ") for handle in handles]

    def kill_leftovers(self, job: JobDirectory) -> None:
        self.cleared.append(job.path.name)


@dataclass
class Clock:
    """The date, and the seconds of a clock that only goes forward."""

    now: datetime = NOW
    seconds: float = 1000.0

    def __call__(self) -> datetime:
        return self.now

    def steady(self) -> float:
        return self.seconds


class Bench:
    """A dispatcher with everything around it."""

    def __init__(self, folder: Path, store: SqlStore) -> None:
        self.store, self.stage, self.clock = store, Stage(), Clock()
        self.workplace = JobDirectories(
            jobs_dir=folder / "jobs",
            environments_dir=folder / "environments",
            code_path=lambda digest: folder / "blobs" / digest,
            runtime_spec=lambda key: RuntimeSpec(key=key, kind="prefix", provides="something", path=("/bin",)),
            run_timeout=60,
        )
        self.dispatcher = self.another("one")

    def another(self, holder: str) -> Dispatcher:
        inventory = ("virtual:0", "virtual:1", "virtual:2", "virtual:3")
        return Dispatcher(
            self.store,
            self.stage,
            self.workplace,
            slots=inventory,
            lease_holder=holder,
            clock=self.clock,
            monotonic_clock=self.clock.steady,
        )

    def submit(self, id: str, slots: int = 1) -> str:
        record = TrainingRecord(
            id=id,
            owner="dlaas",
            definition={},
            code="a" * 64,
            slots=slots,
            runtime="tensorflow-test",
            provides="something",
            state=TrainingState.PENDING,
            phase=Phase.QUEUED,
            submitted_at=self.clock.now,
            modified_at=self.clock.now,
        )
        self.store.create_training(record, a_definition(), key=None, request_digest="")
        return id

    def training(self, id: str) -> TrainingRecord:
        return self.store.get_training("dlaas", id)

    def reach(self, id: str, phase: Phase) -> None:
        write_text_atomic(
            self.workplace.job_directory(id).phase, PhaseFile(phase=phase, since=self.clock.now).model_dump_json()
        )

    def leave(self, id: str, state: TrainingState = TrainingState.COMPLETED, exit_code: int = 0) -> None:
        left = ExitFile(state=state, exit_code=exit_code, stored=True, finished_at=self.clock.now)
        write_text_atomic(self.workplace.job_directory(id).exit, left.model_dump_json())

    def pass_time(self, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)
        self.clock.seconds += seconds

    def correct_the_date(self, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)


def a_definition() -> TrainingDefinition:
    connection = {"auth_url": "http://127.0.0.1:1/auth/v1.0", "userId": "a:b", "password": SECRET}
    place = {"container": "data", "type": "softlayer_objectstore"}
    return TrainingDefinition.parse(
        {
            "model_definition": {
                "name": "a",
                "definition_location": "/v3/ml_assets/experiments/1",
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {"command": "true", "resourceType": "small"},
            },
            "training_data": [{"connection": connection, "source": place}],
        }
    )


@pytest.fixture
def bench(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/database.sqlite")
    yield Bench(tmp_path, store)
    store.close()


def test_a_training_is_started_followed_and_ended(bench):
    one = bench.submit("training-a")
    assert bench.dispatcher.run_once()
    assert bench.stage.started == [one]
    assert bench.training(one).gpus == ("virtual:0",)
    bench.reach(one, Phase.LOADING)
    bench.dispatcher.run_once()
    assert (bench.training(one).state, bench.training(one).phase) == (TrainingState.RUNNING, Phase.LOADING)
    bench.leave(one)
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert (ended.state, ended.exit_code, ended.stored) == (TrainingState.COMPLETED, 0, True)
    with pytest.raises(NotFound):
        bench.store.get_definition_with_secrets(one)
    assert not bench.dispatcher.run_once()


def test_the_learner_is_handed_the_secrets_and_everything_else_without_them(bench):
    bench.dispatcher.run_once()
    job = bench.workplace.job_directory(bench.submit("training-a"))
    bench.dispatcher.run_once()
    assert job.path.stat().st_mode & 0o777 == 0o700
    assert job.secrets.stat().st_mode & 0o777 == 0o600
    sent = json.loads(job.secrets.read_text())
    assert TrainingDefinition.parse(sent) == a_definition()
    assert SECRET in job.secrets.read_text()
    assert SECRET not in job.spec.read_text()
    spec = read_job_file(job.spec, JobSpec)
    assert spec is not None
    assert (spec.command, spec.gpus, spec.timeout) == ("true", ("virtual:0",), 60)


def test_a_training_that_cannot_be_started_ends_as_the_service_s_fault_and_leaves_no_secret(bench):
    bench.stage.broken = True
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert ended.state is TrainingState.ERROR
    assert ended.error is not None
    assert ended.error.code == "S101"
    assert "no more processes" in ended.error.message
    assert not bench.workplace.job_directory(one).secrets.exists()


def test_one_that_cannot_be_started_does_not_hold_up_the_next(bench):
    bench.stage.broken = True
    bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.stage.broken = False
    bench.submit("training-b")
    bench.dispatcher.run_once()
    assert bench.stage.started == ["training-b"]


def test_a_cancel_reaches_the_learner_and_its_own_end_counts(bench):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.store.request_cancel("dlaas", one, bench.clock.now)
    bench.dispatcher.run_once()
    bench.dispatcher.run_once()
    assert bench.stage.stopped == [one]
    bench.leave(one, TrainingState.CANCELED, exit_code=143)
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.CANCELED


def test_a_learner_that_vanished_is_reported_as_lost_after_a_moment(bench, caplog):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.stage.sights[one] = Liveness.GONE
    write_text_atomic(
        bench.workplace.job_directory(one).run, ProcessIdentity(pid=1, start_ticks=1, boot_id="?").model_dump_json()
    )
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.PENDING
    bench.pass_time(5)
    bench.dispatcher.run_once()
    assert bench.stage.cleared == [one]
    ended = bench.training(one)
    assert ended.error is not None
    assert (ended.error.code, "restarted" in ended.error.message) == ("S100", True)


def test_what_a_learner_left_that_was_lost_while_no_service_ran_is_ended_by_the_next_one(bench):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.workplace.job_directory(one).run.touch()
    bench.stage.sights[one] = Liveness.GONE
    bench.dispatcher = bench.another("one")  # the service was started again
    bench.dispatcher.run_once()
    bench.pass_time(LOST_AFTER + 1)
    bench.dispatcher.run_once()
    assert bench.stage.cleared == [one]
    assert bench.training(one).state is TrainingState.ERROR


def test_the_exit_code_of_a_command_outlives_a_learner_that_is_lost_while_it_stores(bench, caplog):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.reach(one, Phase.STORING)
    known = ExitIfLostFile(
        state=TrainingState.ERROR, exit_code=0, code="S303", reason="interrupted", finished_at=bench.clock.now
    )
    write_text_atomic(bench.workplace.job_directory(one).exit_if_lost, known.model_dump_json())
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.RUNNING  # the learner is alive
    bench.stage.sights[one] = Liveness.GONE
    bench.dispatcher.run_once()
    bench.pass_time(LOST_AFTER + 1)
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert bench.stage.cleared == [one]
    assert (ended.state, ended.exit_code, ended.error.code) == (TrainingState.ERROR, 0, "S303")


def test_a_dispatcher_that_died_between_booking_and_starting_is_continued_by_the_next(bench):
    one = bench.submit("training-a")
    assert bench.store.reserve_gpus(one, ["virtual:2"], bench.clock.now)
    bench.dispatcher.run_once()
    assert bench.stage.started == [one]
    assert bench.training(one).gpus == ("virtual:2",)


def test_a_job_that_a_learner_has_taken_is_not_given_its_secrets_again(bench):
    one = bench.submit("training-a")
    assert bench.store.reserve_gpus(one, ["virtual:0"], bench.clock.now)
    job = bench.workplace.job_directory(one)
    job.path.mkdir(parents=True)
    write_text_atomic(job.run, ProcessIdentity(pid=1, start_ticks=1, boot_id="?").model_dump_json())
    bench.dispatcher.run_once()
    assert not job.secrets.exists()


def test_of_two_dispatchers_on_one_store_only_the_leader_acts(bench):
    second = bench.another("two")
    bench.dispatcher.run_once()
    bench.submit("training-a")
    assert not second.run_once()
    assert bench.stage.started == []
    bench.pass_time(LEASE_DURATION.total_seconds() + 1)
    assert second.run_once()
    assert bench.stage.started == ["training-a"]


def test_a_leader_that_stops_makes_room_at_once(bench):
    bench.dispatcher.start()
    until(
        lambda: not bench.store.acquire_lease("dispatcher", "two", bench.clock.now, bench.clock.now),
        details=bench.store.count_trainings,
    )
    bench.dispatcher.stop()
    assert bench.store.acquire_lease("dispatcher", "two", bench.clock.now, bench.clock.now)


def test_the_same_service_started_again_waits_for_nobody(bench):
    bench.dispatcher.run_once()
    bench.submit("training-a")
    assert bench.another("one").run_once()


def test_a_submit_that_wakes_the_dispatcher_is_started_without_waiting_for_the_next_round(bench, monkeypatch):
    monkeypatch.setattr(loop, "IDLE_INTERVAL", 3600.0)
    bench.store = Counting(bench.store)
    dispatcher = bench.another("one")
    dispatcher.start()
    try:
        # Its first round has read what there is: this one is for the next round, an hour later.
        until(lambda: bench.store.asked["list_unfinished"], details=lambda: bench.store.asked)
        one = bench.submit("training-a")
        dispatcher.wake()
        until(lambda: bench.stage.started, details=lambda: bench.training(one))
    finally:
        dispatcher.stop()


def test_a_leader_that_was_frozen_past_its_lease_does_nothing_more(bench):
    first, second = bench.dispatcher, bench.another("two")
    one = bench.submit("training-a")
    first.run_once()
    # Frozen between seeing what there is and acting on it; the other one leads meanwhile.
    bench.stage.while_looking = lambda: (bench.pass_time(LEASE_DURATION.total_seconds() + 1), second.run_once())
    other = bench.submit("training-b")
    first.run_once()
    assert bench.stage.started == [one, other]
    third = bench.submit("training-c")
    assert not first.run_once()
    assert second.run_once()
    assert bench.stage.started == [one, other, third]


def test_a_leader_that_woke_too_late_starts_nothing_even_if_nobody_came(bench, caplog):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.submit("training-b")
    bench.stage.while_looking = lambda: bench.pass_time(LEASE_DURATION.total_seconds())
    bench.dispatcher.run_once()
    assert bench.stage.started == [one]
    assert "lease ran out" in caplog.text
    bench.dispatcher.run_once()
    assert bench.stage.started == [one, "training-b"]


def test_a_round_that_takes_long_renews_the_lease_on_its_way(bench):
    for name in "abc":
        bench.submit(f"training-{name}")
    bench.stage.while_starting = lambda: bench.pass_time(LEASE_DURATION.total_seconds() * 0.6)
    bench.dispatcher.run_once()
    assert len(bench.stage.started) == 3
    assert not bench.another("two").run_once()


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
def test_a_date_that_jumps_keeps_no_role_empty_for_longer_than_a_lease(bench, hours):
    second = bench.another("two")
    bench.dispatcher.run_once()
    bench.correct_the_date(hours * 3600)
    # The first one is dead by now: whoever asks is let in within one lease.
    bench.pass_time(LEASE_DURATION.total_seconds())
    bench.submit("training-a")
    assert second.run_once()
    assert bench.stage.started == ["training-a"]


def test_a_leader_whose_date_was_set_back_goes_on_renewing(bench):
    bench.dispatcher.run_once()
    bench.correct_the_date(-3600)
    bench.pass_time(LEASE_DURATION.total_seconds())
    bench.submit("training-a")
    bench.dispatcher.run_once()
    assert not bench.store.acquire_lease("dispatcher", "two", bench.clock.now, bench.clock.now)


def test_a_cancel_and_a_loss_come_through_although_the_date_was_set_back(bench, caplog):
    one, two = bench.submit("training-a"), bench.submit("training-b")
    bench.dispatcher.run_once()
    bench.store.request_cancel("dlaas", one, bench.clock.now)
    bench.stage.sights[two] = Liveness.GONE
    write_text_atomic(
        bench.workplace.job_directory(two).run, ProcessIdentity(pid=1, start_ticks=1, boot_id="?").model_dump_json()
    )
    bench.dispatcher.run_once()
    bench.correct_the_date(-3600)
    bench.pass_time(11)
    bench.dispatcher.run_once()
    bench.dispatcher.run_once()
    assert bench.stage.stopped == [one, one]
    assert bench.training(two).state is TrainingState.ERROR


def test_a_start_that_fails_does_not_end_a_training_that_a_learner_works_on(bench, caplog):
    one = bench.submit("training-a")
    assert bench.store.reserve_gpus(
        one, ["virtual:0"], bench.clock.now
    )  # by a dispatcher that died after it started a learner
    job = bench.workplace.job_directory(one)
    job.path.mkdir(parents=True)
    write_text_atomic(job.run, ProcessIdentity(pid=1, start_ticks=1, boot_id="?").model_dump_json())
    bench.stage.broken = True
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.PENDING
    bench.stage.broken = False
    bench.dispatcher.run_once()
    bench.leave(one)
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.COMPLETED


def test_no_learner_can_take_a_job_that_was_given_up(bench, caplog):
    bench.stage.broken = True
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.ERROR
    assert not claim(bench.workplace.job_directory(one))  # one that was started before, and comes up late


def test_an_end_that_cannot_be_recorded_is_the_same_end_when_it_can(bench, caplog):
    store = Fragile(bench.store, "finish")
    dispatcher = Dispatcher(
        store, bench.stage, bench.workplace, slots=["virtual:0"], lease_holder="one", clock=bench.clock
    )
    bench.stage.broken = True
    one = bench.submit("training-a")
    dispatcher.run_once()
    assert bench.training(one).state is TrainingState.PENDING
    dispatcher.run_once()
    ended = bench.training(one)
    assert ended.error is not None
    assert (ended.error.code, "no more processes" in ended.error.message) == ("S101", True)


def test_a_database_that_takes_no_handle_costs_neither_the_training_nor_ever_more_learners(bench, caplog):
    dispatcher = Dispatcher(
        Fragile(bench.store, "set_handle", times=10),
        bench.stage,
        bench.workplace,
        slots=["virtual:0"],
        lease_holder="one",
        clock=bench.clock,
        monotonic_clock=bench.clock.steady,
    )
    one = bench.submit("training-a")
    for _ in range(20):
        dispatcher.run_once()
    assert bench.stage.started == [one]
    write_text_atomic(
        bench.workplace.job_directory(one).run, ProcessIdentity(pid=1, start_ticks=1, boot_id="?").model_dump_json()
    )
    for _ in range(15):
        bench.pass_time(20)
        dispatcher.run_once()
    assert bench.training(one).handle == f"handle of {one}"
    assert not bench.training(one).state.is_final


def test_what_a_service_that_died_while_writing_them_left_of_the_secrets_is_removed(bench):
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    job = bench.workplace.job_directory(one)
    (job.path / ".secrets.json.4711").write_text(SECRET)
    bench.leave(one)
    bench.dispatcher.run_once()
    assert not [path for path in job.path.iterdir() if SECRET in path.read_text()]


def test_a_broken_database_is_waited_for(bench, caplog):
    bench.dispatcher.run_once()
    broken = Dispatcher(
        Fragile(bench.store, "list_unfinished"),
        bench.stage,
        bench.workplace,
        slots=["virtual:0"],
        lease_holder="one",
        clock=bench.clock,
    )
    bench.submit("training-a")
    broken.start()
    try:
        until(lambda: bench.stage.started, details=lambda: caplog.text)
    finally:
        broken.stop()
    assert "round failed" in caplog.text


def test_trainings_are_read_again_only_after_a_change_and_after_a_while(bench):
    """A thousand that wait would cost a tenth of a core otherwise."""
    store = Counting(bench.store)
    dispatcher = Dispatcher(
        store,
        bench.stage,
        bench.workplace,
        slots=["virtual:0"],
        lease_holder="one",
        clock=bench.clock,
        monotonic_clock=bench.clock.steady,
    )
    one, two = bench.submit("training-a"), bench.submit("training-b")

    def reads(rounds: int = 5) -> int:
        before = store.asked["list_unfinished"]
        for _ in range(rounds):
            dispatcher.run_once()
        return store.asked["list_unfinished"] - before

    reads()
    assert bench.stage.started == [one]
    assert reads() == 0
    bench.store.request_cancel("dlaas", two, bench.clock())
    assert reads() == 1
    assert bench.training(two).state is TrainingState.CANCELED
    bench.pass_time(RELOAD_INTERVAL)
    assert reads() >= 1


class Counting:
    """The store, with a count of how often each verb is called."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        self.asked[name] += 1
        return getattr(self._store, name)


class Fragile:
    """The store, as it is while its database restarts: *verb* fails, *times* times."""

    def __init__(self, store: SqlStore, verb: str, times: int = 1) -> None:
        self._store, self._verb, self._left = store, verb, times

    def __getattr__(self, name: str) -> object:
        if name == self._verb and self._left:
            self._left -= 1
            return self._fail
        return getattr(self._store, name)

    def _fail(self, *_arguments: object) -> None:
        raise HostError("The database failed (OperationalError)")
