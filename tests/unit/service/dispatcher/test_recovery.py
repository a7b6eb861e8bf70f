"""When a further attempt of a training follows, and what of the one that has ended is reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_dlaas.contract.attempts import AttemptReport, ResumedFrom
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.dispatcher.actions import (
    Abandon,
    Action,
    Finish,
    KillLeftovers,
    RecordProgress,
    Recover,
    Restart,
    Start,
)
from airflow_dlaas.service.dispatcher.decide import LOST_AFTER, MAX_STARTS, RESTART_INTERVAL
from airflow_dlaas.service.dispatcher.memory import DispatcherMemory, Observation, update_memory
from airflow_dlaas.service.dispatcher.recovery import STOPPED_REASON
from airflow_dlaas.service.job_reports import ExitFile
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.stall_report import Stall, StallCause, StallsFile
from airflow_dlaas.service.store.records import TrainingRecord
from tests.unit.service.dispatcher.test_decide import (
    FOUR,
    MONOTONIC_NOW,
    NOW,
    a_phase,
    a_started,
    a_training,
    an_exit,
    an_exit_if_lost,
    decide_actions,
)

GONE = Observation(liveness=Liveness.GONE, is_claimed=True, has_spec=True)
GONE_LONG = DispatcherMemory(starts=1, gone_since=MONOTONIC_NOW - LOST_AFTER)
THREE = {"recovery": {"attempts": 3, "exit_codes": [75]}}
RESUMED = ResumedFrom(training_id="earlier", attempt=1, number=4)


def failed(**more: object) -> ExitFile:
    return an_exit(TrainingState.ERROR, code="C201", reason="The command ended with exit code 75", **more)


def a_recoverable(**more: object) -> TrainingRecord:
    given = {"definition": THREE, "state": TrainingState.RUNNING, "phase": Phase.PROCESSING} | more
    return a_started("a", "virtual:0", **given)


def ended(seen: Observation, training: TrainingRecord | None = None) -> list[Action]:
    return decide_actions(training or a_recoverable(), observations={"a": seen}, memories={"a": GONE_LONG})


def recoveries(actions: list[Action]) -> list[Recover]:
    return [one for one in actions if isinstance(one, Recover)]


ENDS = {
    "learner lost": (GONE, True),
    "job directory lost": (Observation(liveness=Liveness.GONE), True),
    "machine restarted": (replace(GONE, is_from_earlier_boot=True), True),
    "exit.json unreadable": (replace(GONE, exit_read_error="broken"), True),
    "lost while storing after success": (replace(GONE, exit_if_lost=an_exit_if_lost(exit_code=0, code="S303")), True),
    "lost while storing after a code": (replace(GONE, exit_if_lost=an_exit_if_lost(exit_code=75, code="C201")), True),
    "lost during a shutdown": (
        replace(GONE, exit_if_lost=an_exit_if_lost(TrainingState.CANCELED, was_stopped=True, exit_code=143)),
        True,
    ),
    "lost after another code": (replace(GONE, exit_if_lost=an_exit_if_lost(exit_code=3, code="C201")), False),
    "lost after an error of a stage": (replace(GONE, exit_if_lost=an_exit_if_lost(code="S302")), False),
    "lost after the time limit": (
        replace(GONE, exit_if_lost=an_exit_if_lost(exit_code=75, code="C201", was_stopped=True)),
        False,
    ),
    "lost after the time limit, saved": (
        replace(GONE, exit_if_lost=an_exit_if_lost(exit_code=0, code="C201", was_stopped=True)),
        False,
    ),
    "exit code to recover from": (Observation(exit_file=failed(exit_code=75)), True),
    "another exit code": (Observation(exit_file=failed(exit_code=3)), False),
    "exit code of a stopped command": (
        Observation(exit_file=failed(exit_code=75, was_stopped=True)),
        False,
    ),
    "error of a stage": (Observation(exit_file=failed(exit_code=None)), False),
    "machine shut down": (
        Observation(exit_file=an_exit(TrainingState.CANCELED, was_stopped=True, exit_code=143)),
        True,
    ),
    "machine shut down before the command": (
        Observation(exit_file=an_exit(TrainingState.CANCELED, exit_code=None)),
        True,
    ),
    "completed": (Observation(exit_file=an_exit()), False),
}
"""By name: what is observed of the end, and whether another attempt may follow."""


@pytest.mark.parametrize("name", ENDS)
def test_another_attempt_follows_these_ends_only(name: str) -> None:
    seen, may_recover = ENDS[name]
    actions = ended(seen)
    assert bool(recoveries(actions)) is may_recover
    assert len(actions) == 1 or not may_recover
    assert any(isinstance(one, Finish) for one in actions) is not may_recover


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize(
    "changes",
    [
        {"definition": {}},
        {"definition": {"recovery": None}},
        {"definition": {"recovery": {"attempts": "damaged"}}},
        {"definition": {"recovery": {"attempts": 1, "exit_codes": [75]}}},
        {"attempt": 3},
        {"attempt": 4},
        {"cancel_requested": True},
    ],
    ids=str,
)
def test_nothing_follows_without_recovery_without_attempts_left_or_after_a_cancel(
    name: str, changes: dict[str, object]
) -> None:
    actions = ended(ENDS[name][0], a_recoverable(**changes))
    assert recoveries(actions) == []
    assert sum(isinstance(one, Finish) for one in actions) == 1


def test_last_attempt_but_one_is_followed_by_the_last() -> None:
    (found,) = recoveries(ended(GONE, a_recoverable(attempt=2)))
    assert (found.recovery.ended.number, found.recovery.attempts) == (2, 3)


def test_leftovers_are_killed_after_a_loss_only() -> None:
    assert [one.is_lost for one in recoveries(ended(GONE))] == [True]
    assert [one.is_lost for one in recoveries(ended(ENDS["exit code to recover from"][0]))] == [False]


@pytest.mark.parametrize("liveness", [Liveness.ALIVE, Liveness.WAITING])
def test_next_attempt_waits_for_the_end_of_the_learner_that_recovers_by_its_exit_file(liveness: Liveness) -> None:
    seen = Observation(exit_file=failed(exit_code=75), phase_file=a_phase(Phase.STORING), liveness=liveness)
    assert [type(one) for one in ended(seen)] == [RecordProgress]
    assert [type(one) for one in ended(seen, a_recoverable(phase=Phase.STORING))] == []
    assert [type(one) for one in ended(seen, a_recoverable(cancel_requested=True))] == [Finish]
    assert recoveries(ended(replace(seen, liveness=Liveness.UNKNOWN))) != []


def test_learner_without_a_handle_gets_one_before_the_next_attempt() -> None:
    unknown = a_recoverable(handle=None)
    seen = Observation(exit_file=failed(exit_code=75), is_claimed=True)
    assert decide_actions(unknown, observations={"a": seen}) == [Restart("a")]
    just_started = {"a": DispatcherMemory(starts=1, last_started_at=MONOTONIC_NOW - RESTART_INTERVAL + 1)}
    assert decide_actions(unknown, observations={"a": seen}, memories=just_started) == []
    assert recoveries(ended(replace(seen, is_claimed=False), unknown)) != []


def test_learner_that_is_gone_for_a_moment_is_not_lost() -> None:
    memory = {"a": replace(GONE_LONG, gone_since=MONOTONIC_NOW - LOST_AFTER + 0.1)}
    assert decide_actions(a_recoverable(), observations={"a": GONE}, memories=memory) == []


@pytest.mark.parametrize(
    ("name", "cause", "code", "reason", "exit_code"),
    [
        ("learner lost", "learner lost", "S100", "The learner was lost", None),
        ("machine restarted", "machine restarted", "S100", "The machine was restarted while the training ran", None),
        ("lost while storing after a code", "learner lost", "S100", "The learner was lost", 75),
        ("exit code to recover from", "exit code 75", "C201", "The command ended with exit code 75", 75),
        ("machine shut down", "learner stopped without a cancel request", "S100", STOPPED_REASON, 143),
    ],
)
def test_attempt_that_has_ended_has_its_reason(
    name: str, cause: str, code: str, reason: str, exit_code: int | None
) -> None:
    seen = replace(ENDS[name][0], resumed_from=RESUMED)
    (found,) = recoveries(ended(seen))
    assert found.recovery.cause == cause
    report = found.recovery.ended
    assert report.reason is not None
    assert report.reason.startswith(reason)
    assert "submit it again" not in report.reason
    expected = AttemptReport(
        number=1,
        started_at=NOW - timedelta(minutes=1),
        ended_at=NOW,
        code=code,
        reason=report.reason,
        exit_code=exit_code,
        resumed_from=RESUMED,
    )
    assert report == expected


@pytest.mark.parametrize("name", ["learner lost", "exit code to recover from"])
def test_stalled_time_of_the_attempt_is_kept(name: str) -> None:
    stalls = StallsFile(stalls=(Stall(cause=StallCause.SILENT, text="no output", since=NOW - timedelta(seconds=9)),))
    (found,) = recoveries(ended(replace(ENDS[name][0], stalls=stalls)))
    assert found.stalled_seconds == 9


def test_slots_of_the_ended_attempt_go_to_no_training_that_was_submitted_later() -> None:
    later = a_training("b", 4)
    actions = decide_actions(a_recoverable(), later, observations={"a": GONE}, memories={"a": GONE_LONG})
    assert [type(one) for one in actions] == [Recover]
    assert decide_actions(a_waiting("a", slots=4), later) == [Start("a", FOUR)]


# -- the next attempt ----------------------------------------------------------


def a_waiting(id: str, slots: int = 1) -> TrainingRecord:
    given = {"attempt": 2, "state": TrainingState.RUNNING, "phase": Phase.RECOVERING, "definition": THREE}
    return a_training(id, slots, **given)


def test_training_between_two_attempts_is_started_at_its_old_place() -> None:
    assert decide_actions(a_waiting("a"), a_training("b"), slots=FOUR[:1]) == [Start("a", FOUR[:1])]


def test_training_stays_running_while_a_later_attempt_prepares_its_runtime() -> None:
    later = a_recoverable(attempt=2, phase=Phase.RECOVERING)
    phases = (Phase.PREPARING, Phase.LOADING)
    found = [decide_actions(later, observations={"a": Observation(phase_file=a_phase(one))}) for one in phases]
    recorded = [(one.state, one.phase) for actions in found for one in actions if isinstance(one, RecordProgress)]
    assert recorded == [(TrainingState.RUNNING, phase) for phase in phases]


def test_memory_of_an_earlier_attempt_counts_as_none() -> None:
    memory = DispatcherMemory(
        attempt=1, starts=MAX_STARTS, last_started_at=1.0, last_stop_at=2.0, gone_since=3.0, release_failed=True
    )
    waiting = a_recoverable(attempt=2, handle=None)
    fresh = update_memory(waiting, Observation(), memory, MONOTONIC_NOW)
    assert fresh == DispatcherMemory(attempt=2)
    assert update_memory(waiting, Observation(), fresh, MONOTONIC_NOW) == fresh


def test_reserved_attempt_without_a_learner_is_started_again_a_few_times() -> None:
    reserved = a_recoverable(attempt=2, handle=None, phase=Phase.RECOVERING)
    assert decide_actions(reserved, observations={"a": Observation()}) == [Restart("a")]
    memory = {"a": DispatcherMemory(attempt=2, starts=MAX_STARTS)}
    (found,) = decide_actions(reserved, observations={"a": Observation()}, memories=memory)
    assert isinstance(found, Abandon)


# -- training that begins with the checkpoint of another one -------------------


def test_training_waits_for_the_end_of_the_one_that_it_resumes_from_and_others_pass_it() -> None:
    waits = a_training("b", definition={"resume_from": "a"})
    queue = [a_recoverable(), waits, a_training("c")]
    assert decide_actions(*queue) == [Start("c", ("virtual:1",))]
    assert decide_actions(waits, a_training("c")) == [Start("b", FOUR[:1]), Start("c", FOUR[1:2])]


def test_chain_of_trainings_waits_one_by_one() -> None:
    first, second = a_training("a"), a_training("b", definition={"resume_from": "a"})
    third = a_training("c", definition={"resume_from": "b"})
    assert decide_actions(first, second, third) == [Start("a", FOUR[:1])]
    assert decide_actions(second, third) == [Start("b", FOUR[:1])]


def test_lost_learner_without_recovery_ends_the_training() -> None:
    actions = ended(GONE, a_recoverable(definition={}))
    assert [type(one) for one in actions] == [KillLeftovers, Finish]


def test_exit_file_before_the_first_phase_recovers_too() -> None:
    pending = a_recoverable(state=TrainingState.PENDING, phase=Phase.QUEUED)
    exit_file: ExitFile = an_exit(TrainingState.CANCELED, exit_code=None)
    assert [type(one) for one in ended(Observation(exit_file=exit_file), pending)] == [Recover]
