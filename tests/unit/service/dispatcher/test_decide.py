"""The decisions of the dispatcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_dlaas.contract.data_report import DataReport
from airflow_dlaas.contract.state import TRANSITIONS, Phase, TrainingState
from airflow_dlaas.service.dispatcher.actions import (
    Abandon,
    Action,
    Finish,
    KillLeftovers,
    RecordProgress,
    ReportStalls,
    Restart,
    Start,
    Stop,
)
from airflow_dlaas.service.dispatcher.decide import (
    LOST_AFTER,
    MAX_STARTS,
    MAX_STORING,
    RESTART_INTERVAL,
    STOP_RETRY_INTERVAL,
    decide,
)
from airflow_dlaas.service.dispatcher.free_resources import UNLIMITED, Capacity
from airflow_dlaas.service.dispatcher.memory import DispatcherMemory, Observation, update_memory
from airflow_dlaas.service.dispatcher.supply import NO_MAINTENANCE, Supply
from airflow_dlaas.service.job_reports import ExitFile, ExitIfLostFile, PhaseFile
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.stall_report import Stall, StallCause, StallsFile
from airflow_dlaas.service.store.maintenance import MaintenanceRecord, MaintenanceState
from airflow_dlaas.service.store.records import TrainingOutcome, TrainingRecord

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
MONOTONIC_NOW = 1000.0
"""The same moment by the monotonic clock."""
FOUR = ("virtual:0", "virtual:1", "virtual:2", "virtual:3")
ALIVE = Observation(liveness=Liveness.ALIVE)


def a_training(id: str, slots: int = 1, **more: object) -> TrainingRecord:
    return replace(
        TrainingRecord(
            id=id,
            owner="dlaas",
            definition={},
            code="0" * 64,
            slots=slots,
            runtime="tensorflow/2.21",
            provides="TensorFlow 2.21.0",
            state=TrainingState.PENDING,
            submitted_at=NOW - timedelta(minutes=5),
            modified_at=NOW,
            phase=Phase.QUEUED,
        ),
        **more,  # type: ignore[arg-type]
    )


def a_started(id: str, *gpus: str, **more: object) -> TrainingRecord:
    gpus = gpus or ("virtual:0",)
    given = {"gpus": gpus, "handle": f"handle of {id}", "started_at": NOW - timedelta(minutes=1)} | more
    return a_training(id, len(gpus), **given)


def decide_actions(
    *entries: TrainingRecord,
    observations: dict[str, Observation] | None = None,
    memories: dict[str, DispatcherMemory] | None = None,
    slots: Sequence[str] = FOUR,
    capacity: Capacity = UNLIMITED,
    maintenance: MaintenanceState = NO_MAINTENANCE,
) -> list[Action]:
    observations = {entry.id: ALIVE for entry in entries if entry.started_at} | (observations or {})
    found = decide(
        entries,
        observations,
        memories or {},
        supply=Supply(slots, capacity, maintenance),
        now=NOW,
        monotonic_now=MONOTONIC_NOW,
    )
    return list(found)


def cordoned(*gpus: str) -> MaintenanceState:
    return MaintenanceState(cordons={gpu: MaintenanceRecord(NOW, "ECC errors") for gpu in gpus})


DRAINED = MaintenanceState(drain=MaintenanceRecord(NOW))


def an_exit(state: TrainingState = TrainingState.COMPLETED, **more: object) -> ExitFile:
    return ExitFile.model_validate({"state": state, "finished_at": NOW, "exit_code": 0, "stored": True} | more)


def a_phase(phase: Phase) -> PhaseFile:
    return PhaseFile(phase=phase, since=NOW - timedelta(seconds=1))


# -- the queue ---------------------------------------------------------------


def test_decide_without_trainings_yields_no_action():
    assert decide_actions() == []


def test_queue_starts_trainings_in_the_order_of_submission():
    assert decide_actions(a_training("a"), a_training("b", 3)) == [Start("a", FOUR[:1]), Start("b", FOUR[1:])]


def test_held_slot_is_not_given_to_another_training():
    assert decide_actions(a_started("a", "virtual:1"), a_training("b", 2)) == [Start("b", ("virtual:0", "virtual:2"))]


def test_small_training_does_not_overtake_a_large_queued_one():
    waiting = [a_started("a", "virtual:0", "virtual:1"), a_training("large", 3), a_training("small")]
    assert decide_actions(*waiting) == []


def test_cordoned_slot_is_not_given_to_a_training():
    found = decide_actions(a_training("a", 2), a_training("b"), maintenance=cordoned("virtual:0", "virtual:2"))
    assert found == [Start("a", ("virtual:1", "virtual:3"))]


def test_training_that_needs_more_slots_than_are_not_cordoned_waits_and_is_not_overtaken():
    waiting = [a_training("large", 4), a_training("small")]
    assert decide_actions(*waiting, maintenance=cordoned("virtual:3")) == []
    assert decide_actions(*waiting) == [Start("large", FOUR)]


def test_cordon_of_a_slot_that_the_service_does_not_have_changes_nothing():
    assert decide_actions(a_training("a", 4), maintenance=cordoned("GPU-gone")) == [Start("a", FOUR)]


def test_drain_starts_no_training_and_watches_the_started_ones():
    running = a_started("a", state=TrainingState.RUNNING, phase=Phase.STORING)
    unclaimed = replace(a_started("c", "virtual:1"), handle=None)
    seen = {"a": Observation(exit_file=an_exit()), "c": Observation(has_spec=True)}
    found = decide_actions(running, unclaimed, a_training("b"), observations=seen, maintenance=DRAINED)
    assert [(type(action), action.training_id) for action in found] == [(Finish, "a"), (Restart, "c")]


def test_training_with_a_slot_that_is_cordoned_meanwhile_keeps_it():
    running = a_started("a", "virtual:0", state=TrainingState.RUNNING, phase=Phase.PROCESSING)
    assert decide_actions(running, maintenance=cordoned("virtual:0")) == []


def test_finish_frees_slots_in_the_same_round():
    ending = a_started("a", *FOUR[:3], state=TrainingState.RUNNING, phase=Phase.STORING)
    found = decide_actions(ending, a_training("b", 3), observations={"a": Observation(exit_file=an_exit())})
    assert [type(action) for action in found] == [Finish, Start]


def test_storing_results_frees_slots_in_the_same_round():
    running = a_started("a", *FOUR[:3], state=TrainingState.RUNNING, phase=Phase.PROCESSING)
    seen = {"a": replace(ALIVE, phase_file=a_phase(Phase.STORING))}
    found = decide_actions(running, a_training("b", 3), observations=seen)
    assert [type(action) for action in found] == [RecordProgress, Start]
    storing = replace(running, phase=Phase.STORING)
    assert decide_actions(storing, a_training("b", 3), observations=seen) == [Start("b", FOUR[:3])]


def test_number_of_trainings_that_store_without_slots_is_limited():
    many = [
        a_started(f"a{i}", "virtual:0", state=TrainingState.RUNNING, phase=Phase.STORING) for i in range(MAX_STORING)
    ]
    assert decide_actions(*many, a_training("b", 4)) == [Start("b", FOUR)]
    one_more = a_started("one-more", "virtual:3", state=TrainingState.RUNNING, phase=Phase.STORING)
    assert decide_actions(*many, one_more, a_training("b", 4)) == []


def test_training_larger_than_all_slots_fails_and_does_not_block_the_queue():
    found = decide_actions(a_training("large", 3), a_training("small"), slots=FOUR[:2])
    assert isinstance(found[0], Finish)
    assert found[0].outcome.error is not None
    assert found[0].outcome.error.code == "S100"
    assert found[1] == Start("small", ("virtual:0",))


def test_removed_slot_is_not_given_again():
    assert decide_actions(a_started("a", "GPU-1"), a_training("b", 2), slots=("GPU-0",))[-1] != Start("b", ("GPU-0",))


@given(st.lists(st.integers(1, 3), max_size=12), st.integers(3, 8), st.integers(0, 6))
def test_any_queue_gives_no_slot_twice_and_keeps_the_order(sizes, total, running):
    inventory = tuple(f"virtual:{index}" for index in range(total))
    free = list(inventory)
    entries = []
    for index, size in enumerate(sizes):
        if index < running and size <= len(free):
            entries.append(a_started(str(index), *free[:size]))
            del free[:size]
        else:
            entries.append(a_training(str(index), size))
    started = [action for action in decide_actions(*entries, slots=inventory) if isinstance(action, Start)]
    given_away = [gpu for action in started for gpu in action.gpus]
    assert len(given_away) == len(set(given_away))
    assert set(given_away) <= set(free)
    waiting = [entry.id for entry in entries if entry.started_at is None]
    assert [action.training_id for action in started] == waiting[: len(started)]


# -- progress ----------------------------------------------------------------


def test_preparing_training_is_pending():
    found = decide_actions(a_started("a"), observations={"a": replace(ALIVE, phase_file=a_phase(Phase.PREPARING))})
    assert found == [RecordProgress("a", TrainingState.PENDING, Phase.PREPARING, a_phase(Phase.PREPARING).since)]


def test_training_is_running_from_phase_loading_on():
    found = decide_actions(a_started("a"), observations={"a": replace(ALIVE, phase_file=a_phase(Phase.LOADING))})
    assert found == [RecordProgress("a", TrainingState.RUNNING, Phase.LOADING, a_phase(Phase.LOADING).since)]


def test_known_progress_is_not_recorded_again():
    known = a_started("a", state=TrainingState.RUNNING, phase=Phase.PROCESSING)
    assert decide_actions(known, observations={"a": replace(ALIVE, phase_file=a_phase(Phase.PROCESSING))}) == []


def test_running_training_never_becomes_pending():
    running = a_started("a", state=TrainingState.RUNNING, phase=Phase.LOADING)
    assert decide_actions(running, observations={"a": replace(ALIVE, phase_file=a_phase(Phase.PREPARING))}) == []


# -- outcomes ----------------------------------------------------------------


def test_exit_file_decides_the_outcome():
    running = a_started("a", state=TrainingState.RUNNING, phase=Phase.STORING)
    assert decide_actions(running, observations={"a": Observation(exit_file=an_exit())}) == [
        Finish("a", TrainingOutcome(TrainingState.COMPLETED, NOW, exit_code=0, stored=True))
    ]


def test_exit_file_takes_precedence_over_cancel_and_lost_learner():
    running = a_started("a", state=TrainingState.RUNNING, cancel_requested=True)
    found = decide_actions(running, observations={"a": Observation(exit_file=an_exit(), liveness=Liveness.GONE)})
    assert found == [Finish("a", TrainingOutcome(TrainingState.COMPLETED, NOW, exit_code=0, stored=True))]


def test_finish_of_an_unobserved_training_records_running_first():
    found = decide_actions(a_started("a"), observations={"a": Observation(exit_file=an_exit())})
    assert found[0] == RecordProgress("a", TrainingState.RUNNING, Phase.QUEUED, NOW)
    assert isinstance(found[1], Finish)


@given(st.sampled_from([state for state in TrainingState if state.is_final]), st.sampled_from([None, *Phase]))
def test_recorded_states_follow_the_transition_table(state, phase):
    entry = a_started("a")
    mark = a_phase(phase) if phase else None
    at = entry.state
    for action in decide_actions(
        entry, observations={"a": Observation(exit_file=an_exit(state, code="C201"), phase_file=mark)}
    ):
        to = action.state if isinstance(action, RecordProgress) else action.outcome.state  # type: ignore[union-attr]
        assert to is at or to in TRANSITIONS[at]
        at = to
    assert at is state


def test_failed_command_keeps_code_and_reason():
    running = a_started("a", state=TrainingState.RUNNING)
    left = an_exit(TrainingState.ERROR, exit_code=3, code="C201", reason="the command ended with 3")
    [found] = decide_actions(running, observations={"a": Observation(exit_file=left)})
    assert isinstance(found, Finish)
    assert found.outcome.exit_code == 3
    assert found.outcome.error is not None
    assert (found.outcome.error.code, found.outcome.error.message) == ("C201", "the command ended with 3")


def test_learner_that_is_gone_for_a_short_time_is_not_lost():
    gone = {"a": Observation(liveness=Liveness.GONE)}
    assert (
        decide_actions(
            a_started("a"),
            observations=gone,
            memories={"a": DispatcherMemory(gone_since=MONOTONIC_NOW - LOST_AFTER / 2)},
        )
        == []
    )


def test_lost_learner_ends_the_training_with_an_error_of_the_service():
    gone = {"a": Observation(liveness=Liveness.GONE, is_claimed=True)}
    _, found = decide_actions(
        a_started("a"), observations=gone, memories={"a": DispatcherMemory(gone_since=MONOTONIC_NOW - LOST_AFTER)}
    )
    assert isinstance(found, Finish)
    assert found.outcome.error is not None
    assert found.outcome.error.code == "S100"
    assert "lost" in found.outcome.error.message


def test_leftovers_of_a_lost_learner_are_killed_before_its_slots_are_given_away():
    lost = a_started("a", *FOUR[:2])
    gone = {"a": Observation(liveness=Liveness.GONE, is_claimed=True)}
    found = decide_actions(
        lost,
        a_training("b", 3),
        observations=gone,
        memories={"a": DispatcherMemory(gone_since=MONOTONIC_NOW - LOST_AFTER)},
    )
    assert [type(action) for action in found] == [KillLeftovers, Finish, Start]


def test_reboot_is_named_in_the_error():
    gone = {"a": Observation(liveness=Liveness.GONE, is_claimed=True, is_from_earlier_boot=True)}
    _, found = decide_actions(
        a_started("a"), observations=gone, memories={"a": DispatcherMemory(gone_since=MONOTONIC_NOW - LOST_AFTER)}
    )
    assert isinstance(found, Finish)
    assert found.outcome.error is not None
    assert "restarted" in found.outcome.error.message


def test_learner_lost_after_a_cancel_request_is_canceled():
    gone = {"a": Observation(liveness=Liveness.GONE, is_claimed=True)}
    entry = a_started("a", cancel_requested=True)
    _, found = decide_actions(
        entry, observations=gone, memories={"a": DispatcherMemory(gone_since=MONOTONIC_NOW - LOST_AFTER)}
    )
    assert found == Finish("a", TrainingOutcome(TrainingState.CANCELED, NOW))


def lost_while_storing(known: ExitIfLostFile, *, cancel: bool = False, **observed: object) -> TrainingOutcome:
    """Return the outcome of a training whose learner was lost while it stored results."""
    gone = replace(Observation(liveness=Liveness.GONE, is_claimed=True, exit_if_lost=known), **observed)  # type: ignore[arg-type]
    entry = a_started("a", state=TrainingState.RUNNING, phase=Phase.STORING, cancel_requested=cancel)
    kill_leftovers, found = decide_actions(
        entry, observations={"a": gone}, memories={"a": DispatcherMemory(gone_since=MONOTONIC_NOW - LOST_AFTER)}
    )
    assert kill_leftovers == KillLeftovers("a")
    assert isinstance(found, Finish)
    return found.outcome


INTERRUPTED = "storing the results was interrupted"


def an_exit_if_lost(state: TrainingState = TrainingState.ERROR, **more: object) -> ExitIfLostFile:
    known = {"state": state, "finished_at": NOW - timedelta(minutes=1), "reason": INTERRUPTED, "isolation": "none"}
    return ExitIfLostFile.model_validate(known | more)


@pytest.mark.parametrize(("exit_code", "code"), [(0, "S303"), (3, "C201")])
def test_learner_lost_while_storing_keeps_the_exit_code_of_the_command(exit_code: int, code: str):
    found = lost_while_storing(an_exit_if_lost(exit_code=exit_code, code=code))
    assert (found.state, found.exit_code, found.isolation) == (TrainingState.ERROR, exit_code, "none")
    assert found.finished_at == NOW
    assert found.error is not None
    assert found.error.code == code
    assert found.error.message.startswith(f"{INTERRUPTED}. The learner was lost")


def test_reboot_while_storing_is_named_in_the_error():
    found = lost_while_storing(an_exit_if_lost(exit_code=0, code="S303"), is_from_earlier_boot=True)
    assert found.exit_code == 0
    assert found.error is not None
    assert found.error.message.startswith(f"{INTERRUPTED}. The machine was restarted")


def test_canceled_training_whose_learner_was_lost_while_storing_is_canceled():
    known = an_exit_if_lost(exit_code=3, code="C201")
    expected = TrainingOutcome(TrainingState.CANCELED, NOW, exit_code=3, isolation="none")
    assert lost_while_storing(known, cancel=True) == expected
    # Canceled by a signal that the service did not send: there is no request.
    assert lost_while_storing(an_exit_if_lost(TrainingState.CANCELED, exit_code=3)) == expected


def test_unreadable_exit_file_keeps_the_exit_code_from_exit_if_lost():
    found = lost_while_storing(an_exit_if_lost(exit_code=3, code="C201"), exit_read_error="broken")
    assert (found.exit_code, found.isolation) == (3, "none")
    assert found.error is not None
    assert found.error.code == "S100"
    assert "exit.json" in found.error.message


def test_exit_file_takes_precedence_over_exit_if_lost():
    running = a_started("a", state=TrainingState.RUNNING)
    seen = Observation(exit_file=an_exit(), liveness=Liveness.GONE, exit_if_lost=an_exit_if_lost(code="S303"))
    assert decide_actions(running, observations={"a": seen}) == [
        Finish("a", TrainingOutcome(TrainingState.COMPLETED, NOW, exit_code=0, stored=True))
    ]


def test_ended_command_is_not_run_again_if_run_json_is_missing():
    assert (
        lost_while_storing(an_exit_if_lost(code="S303"), is_claimed=False, has_spec=True).state is TrainingState.ERROR
    )


def test_exit_if_lost_cannot_be_completed():
    with pytest.raises(ValidationError, match="a lost learner"):
        an_exit_if_lost(TrainingState.COMPLETED)


def test_gone_since_is_set_by_the_first_round_and_reset_if_the_learner_is_back():
    gone, entry = Observation(liveness=Liveness.GONE), a_started("a")
    once = update_memory(entry, gone, DispatcherMemory(), MONOTONIC_NOW)
    assert update_memory(entry, gone, once, MONOTONIC_NOW + LOST_AFTER).gone_since == MONOTONIC_NOW
    assert update_memory(entry, ALIVE, once, MONOTONIC_NOW + LOST_AFTER).gone_since is None


# -- cancel and restart ------------------------------------------------------


def test_cancel_request_stops_the_learner():
    assert decide_actions(a_started("a", cancel_requested=True)) == [Stop("a")]


def test_stop_is_repeated_after_the_retry_interval():
    entry = a_started("a", cancel_requested=True)
    assert (
        decide_actions(entry, memories={"a": DispatcherMemory(last_stop_at=MONOTONIC_NOW - STOP_RETRY_INTERVAL / 2)})
        == []
    )
    assert decide_actions(
        entry, memories={"a": DispatcherMemory(last_stop_at=MONOTONIC_NOW - STOP_RETRY_INTERVAL)}
    ) == [Stop("a")]


def test_reserved_training_without_a_learner_is_restarted_immediately():
    assert decide_actions(a_started("a", handle=None)) == [Restart("a")]


def test_unknown_learner_is_restarted_after_the_restart_interval():
    unknown = {"a": Observation(liveness=Liveness.UNKNOWN)}
    entry = a_started("a")
    assert (
        decide_actions(
            entry,
            observations=unknown,
            memories={"a": update_memory(entry, unknown["a"], DispatcherMemory(), MONOTONIC_NOW)},
        )
        == []
    )
    past = update_memory(entry, unknown["a"], DispatcherMemory(), MONOTONIC_NOW - RESTART_INTERVAL)
    assert decide_actions(entry, observations=unknown, memories={"a": past}) == [Restart("a")]


def test_learner_that_never_claims_its_job_is_abandoned():
    unknown = {"a": Observation(liveness=Liveness.UNKNOWN)}
    tried = {"a": DispatcherMemory(starts=MAX_STARTS, last_started_at=MONOTONIC_NOW - RESTART_INTERVAL)}
    [found] = decide_actions(a_started("a"), observations=unknown, memories=tried)
    assert isinstance(found, Abandon)
    assert found.outcome.error is not None
    assert found.outcome.error.code == "S101"
    [found] = decide_actions(a_started("a", cancel_requested=True), observations=unknown, memories=tried)
    assert found == Abandon("a", TrainingOutcome(TrainingState.CANCELED, NOW))


def test_learner_waiting_in_the_engine_needs_no_action():
    assert decide_actions(a_started("a"), observations={"a": Observation(liveness=Liveness.WAITING)}) == []


def test_learner_gone_before_it_claimed_the_job_is_restarted():
    gone = {"a": Observation(liveness=Liveness.GONE, has_spec=True)}
    past = DispatcherMemory(starts=1, last_started_at=MONOTONIC_NOW, gone_since=MONOTONIC_NOW - LOST_AFTER)
    assert decide_actions(a_started("a"), observations=gone, memories={"a": past}) == [Restart("a")]
    canceled = a_started("a", cancel_requested=True)
    assert decide_actions(canceled, observations=gone, memories={"a": past}) == [
        Abandon("a", TrainingOutcome(TrainingState.CANCELED, NOW))
    ]
    [found] = decide_actions(a_started("a"), observations=gone, memories={"a": replace(past, starts=MAX_STARTS)})
    assert isinstance(found, Abandon)


def test_learner_gone_with_its_job_directory_is_lost():
    gone, past = (
        {"a": Observation(liveness=Liveness.GONE)},
        DispatcherMemory(starts=1, last_started_at=MONOTONIC_NOW, gone_since=MONOTONIC_NOW - LOST_AFTER),
    )
    assert [type(action) for action in decide_actions(a_started("a"), observations=gone, memories={"a": past})] == [
        KillLeftovers,
        Finish,
    ]


def test_working_learner_without_a_recorded_handle_is_not_abandoned():
    at_work = {"a": Observation(is_claimed=True)}
    tried = DispatcherMemory(starts=MAX_STARTS, last_started_at=MONOTONIC_NOW - RESTART_INTERVAL)
    assert decide_actions(a_started("a", handle=None), observations=at_work, memories={"a": tried}) == [Restart("a")]
    just_now = replace(tried, last_started_at=MONOTONIC_NOW)
    assert decide_actions(a_started("a", handle=None), observations=at_work, memories={"a": just_now}) == []


def test_abandon_does_not_free_slots_in_the_same_round():
    unknown = {"a": Observation(liveness=Liveness.UNKNOWN)}
    tried = {"a": DispatcherMemory(starts=MAX_STARTS, last_started_at=MONOTONIC_NOW - RESTART_INTERVAL)}
    found = decide_actions(a_started("a", *FOUR), a_training("b"), observations=unknown, memories=tried)
    assert [type(action) for action in found] == [Abandon]


@given(st.floats(-1e9, 1e9))
def test_corrected_date_delays_no_action(jump):
    entry, gone = a_started("a", cancel_requested=True), Observation(liveness=Liveness.GONE, is_claimed=True)
    past = update_memory(entry, gone, DispatcherMemory(), MONOTONIC_NOW)
    later = NOW + timedelta(seconds=jump)
    ended = list(
        decide(
            [entry], {"a": gone}, {"a": past}, supply=Supply(FOUR), now=later, monotonic_now=MONOTONIC_NOW + LOST_AFTER
        )
    )
    assert [type(action) for action in ended] == [KillLeftovers, Finish]
    asked = {"a": DispatcherMemory(last_stop_at=MONOTONIC_NOW)}
    again = decide(
        [entry], {"a": ALIVE}, asked, supply=Supply(FOUR), now=later, monotonic_now=MONOTONIC_NOW + STOP_RETRY_INTERVAL
    )
    assert list(again) == [Stop("a")]


def stalls(*seconds: float) -> StallsFile:
    """Return ended stalls, one after another."""
    return StallsFile(
        stalls=tuple(
            Stall(
                cause=StallCause.SILENT,
                text="silent",
                since=NOW + timedelta(hours=hour),
                until=NOW + timedelta(hours=hour, seconds=duration),
            )
            for hour, duration in enumerate(seconds)
        )
    )


def test_new_finding_of_the_watchdog_is_reported_once() -> None:
    training = a_started("t", state=TrainingState.RUNNING, phase=Phase.PROCESSING)
    observation = replace(ALIVE, stalls=stalls(5.0))
    assert decide_actions(training, observations={"t": observation}) == [ReportStalls("t", 2)]
    memory = DispatcherMemory(starts=1, stalls_version=2)
    assert decide_actions(training, observations={"t": observation}, memories={"t": memory}) == []


def test_outcome_has_the_seconds_without_work() -> None:
    training = a_started("t", state=TrainingState.RUNNING, phase=Phase.PROCESSING)
    observation = replace(ALIVE, exit_file=an_exit(), stalls=stalls(5.0, 2.5))
    (action,) = decide_actions(training, observations={"t": observation})
    assert isinstance(action, Finish)
    assert action.outcome.stalled_seconds == 7.5


def test_outcome_has_the_report_of_the_training_data() -> None:
    training, report = a_started("t", state=TrainingState.RUNNING, phase=Phase.PROCESSING), DataReport(seconds=2.5)
    ended = replace(ALIVE, exit_file=an_exit(), data_report=report)
    (action,) = decide_actions(training, observations={"t": ended})
    assert isinstance(action, Finish)
    assert action.outcome.data_report == report
    lost = Observation(liveness=Liveness.GONE, is_claimed=True, data_report=report)
    memory = DispatcherMemory(gone_since=MONOTONIC_NOW - LOST_AFTER)
    *_, action = decide_actions(training, observations={"t": lost}, memories={"t": memory})
    assert isinstance(action, Finish)
    assert action.outcome.data_report == report
