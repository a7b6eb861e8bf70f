"""What the dispatcher does next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_dlaas.contract.state import TRANSITIONS, Phase, TrainingState
from airflow_dlaas.service.dispatcher.decide import (
    LOST_AFTER,
    MAX_STORING,
    MOST_STARTS,
    START_AGAIN_AFTER,
    STOP_AGAIN_AFTER,
    Advance,
    Clear,
    Finish,
    GiveUp,
    Past,
    Seen,
    Start,
    StartAgain,
    Step,
    Stop,
    decide,
    remember,
)
from airflow_dlaas.service.job_files import Exit, ExitIfLost, PhaseMark
from airflow_dlaas.service.runners.base import Sighting
from airflow_dlaas.service.store.base import Outcome, TrainingRecord

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
TICK = 1000.0
"""The same moment by the clock that only goes forward."""
FOUR = ("virtual:0", "virtual:1", "virtual:2", "virtual:3")
ALIVE = Seen(sighting=Sighting.ALIVE)


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


def steps(
    *entries: TrainingRecord,
    seen: dict[str, Seen] | None = None,
    past: dict[str, Past] | None = None,
    inventory: Sequence[str] = FOUR,
) -> list[Step]:
    seen = {entry.id: ALIVE for entry in entries if entry.started_at} | (seen or {})
    return list(decide(entries, seen, past or {}, inventory=inventory, now=NOW, tick=TICK))


def an_exit(state: TrainingState = TrainingState.COMPLETED, **more: object) -> Exit:
    return Exit.model_validate({"state": state, "finished_at": NOW, "exit_code": 0, "stored": True} | more)


def a_phase(phase: Phase) -> PhaseMark:
    return PhaseMark(phase=phase, since=NOW - timedelta(seconds=1))


# -- the queue ---------------------------------------------------------------


def test_nothing_to_do_is_no_step():
    assert steps() == []


def test_slots_are_given_in_the_order_of_submission():
    assert steps(a_training("a"), a_training("b", 3)) == [Start("a", FOUR[:1]), Start("b", FOUR[1:])]


def test_a_slot_that_is_held_is_given_to_nobody_else():
    assert steps(a_started("a", "virtual:1"), a_training("b", 2)) == [Start("b", ("virtual:0", "virtual:2"))]


def test_nobody_overtakes_a_large_one_that_waits():
    waiting = [a_started("a", "virtual:0", "virtual:1"), a_training("large", 3), a_training("small")]
    assert steps(*waiting) == []


def test_an_ending_frees_its_slots_in_the_same_round():
    ending = a_started("a", *FOUR[:3], state=TrainingState.RUNNING, phase=Phase.STORING)
    found = steps(ending, a_training("b", 3), seen={"a": Seen(exit=an_exit())})
    assert [type(step) for step in found] == [Finish, Start]


def test_a_training_that_begins_to_store_its_results_frees_its_slots_in_the_same_round():
    running = a_started("a", *FOUR[:3], state=TrainingState.RUNNING, phase=Phase.PROCESSING)
    seen = {"a": replace(ALIVE, phase=a_phase(Phase.STORING))}
    found = steps(running, a_training("b", 3), seen=seen)
    assert [type(step) for step in found] == [Advance, Start]
    storing = replace(running, phase=Phase.STORING)
    assert steps(storing, a_training("b", 3), seen=seen) == [Start("b", FOUR[:3])]


def test_only_so_many_trainings_store_without_holding_their_slots():
    many = [
        a_started(f"a{i}", "virtual:0", state=TrainingState.RUNNING, phase=Phase.STORING) for i in range(MAX_STORING)
    ]
    assert steps(*many, a_training("b", 4)) == [Start("b", FOUR)]
    one_more = a_started("one-more", "virtual:3", state=TrainingState.RUNNING, phase=Phase.STORING)
    assert steps(*many, one_more, a_training("b", 4)) == []


def test_a_training_larger_than_the_inventory_ends_instead_of_blocking_the_queue():
    found = steps(a_training("large", 3), a_training("small"), inventory=FOUR[:2])
    assert isinstance(found[0], Finish)
    assert found[0].outcome.error is not None
    assert found[0].outcome.error.code == "S100"
    assert found[1] == Start("small", ("virtual:0",))


def test_a_slot_the_inventory_has_lost_is_not_given_again():
    assert steps(a_started("a", "GPU-1"), a_training("b", 2), inventory=("GPU-0",))[-1] != Start("b", ("GPU-0",))


@given(st.lists(st.integers(1, 3), max_size=12), st.integers(3, 8), st.integers(0, 6))
def test_however_the_queue_looks_no_slot_is_given_twice_and_nobody_overtakes(sizes, total, running):
    inventory = tuple(f"virtual:{index}" for index in range(total))
    free = list(inventory)
    entries = []
    for index, size in enumerate(sizes):
        if index < running and size <= len(free):
            entries.append(a_started(str(index), *free[:size]))
            del free[:size]
        else:
            entries.append(a_training(str(index), size))
    started = [step for step in steps(*entries, inventory=inventory) if isinstance(step, Start)]
    given_away = [gpu for step in started for gpu in step.gpus]
    assert len(given_away) == len(set(given_away))
    assert set(given_away) <= set(free)
    waiting = [entry.id for entry in entries if entry.started_at is None]
    assert [step.training_id for step in started] == waiting[: len(started)]


# -- progress ----------------------------------------------------------------


def test_a_training_whose_environment_is_made_is_still_pending():
    found = steps(a_started("a"), seen={"a": replace(ALIVE, phase=a_phase(Phase.PREPARING))})
    assert found == [Advance("a", TrainingState.PENDING, Phase.PREPARING, a_phase(Phase.PREPARING).since)]


def test_a_training_runs_from_the_moment_its_code_is_loaded():
    found = steps(a_started("a"), seen={"a": replace(ALIVE, phase=a_phase(Phase.LOADING))})
    assert found == [Advance("a", TrainingState.RUNNING, Phase.LOADING, a_phase(Phase.LOADING).since)]


def test_what_is_known_is_not_recorded_again():
    known = a_started("a", state=TrainingState.RUNNING, phase=Phase.PROCESSING)
    assert steps(known, seen={"a": replace(ALIVE, phase=a_phase(Phase.PROCESSING))}) == []


def test_no_training_goes_back_from_running_to_pending():
    running = a_started("a", state=TrainingState.RUNNING, phase=Phase.LOADING)
    assert steps(running, seen={"a": replace(ALIVE, phase=a_phase(Phase.PREPARING))}) == []


# -- the end -----------------------------------------------------------------


def test_exit_json_is_taken_at_its_word():
    running = a_started("a", state=TrainingState.RUNNING, phase=Phase.STORING)
    assert steps(running, seen={"a": Seen(exit=an_exit())}) == [
        Finish("a", Outcome(TrainingState.COMPLETED, NOW, exit_code=0, stored=True))
    ]


def test_exit_json_wins_over_a_cancel_and_over_a_learner_that_is_gone():
    running = a_started("a", state=TrainingState.RUNNING, cancel_requested=True)
    found = steps(running, seen={"a": Seen(exit=an_exit(), sighting=Sighting.GONE)})
    assert found == [Finish("a", Outcome(TrainingState.COMPLETED, NOW, exit_code=0, stored=True))]


def test_a_training_that_ended_before_anybody_looked_was_running_once():
    found = steps(a_started("a"), seen={"a": Seen(exit=an_exit())})
    assert found[0] == Advance("a", TrainingState.RUNNING, Phase.QUEUED, NOW)
    assert isinstance(found[1], Finish)


@given(st.sampled_from([state for state in TrainingState if state.is_final]), st.sampled_from([None, *Phase]))
def test_whatever_the_learner_leaves_the_table_allows_what_is_recorded(state, phase):
    entry = a_started("a")
    mark = a_phase(phase) if phase else None
    at = entry.state
    for step in steps(entry, seen={"a": Seen(exit=an_exit(state, code="C201"), phase=mark)}):
        to = step.state if isinstance(step, Advance) else step.outcome.state  # type: ignore[union-attr]
        assert to is at or to in TRANSITIONS[at]
        at = to
    assert at is state


def test_a_failed_command_carries_its_code_and_its_reason():
    running = a_started("a", state=TrainingState.RUNNING)
    left = an_exit(TrainingState.ERROR, exit_code=3, code="C201", reason="the command ended with 3")
    [found] = steps(running, seen={"a": Seen(exit=left)})
    assert isinstance(found, Finish)
    assert found.outcome.exit_code == 3
    assert found.outcome.error is not None
    assert (found.outcome.error.code, found.outcome.error.message) == ("C201", "the command ended with 3")


def test_a_learner_just_gone_is_given_a_moment():
    gone = {"a": Seen(sighting=Sighting.GONE)}
    assert steps(a_started("a"), seen=gone, past={"a": Past(gone_since=TICK - LOST_AFTER / 2)}) == []


def test_a_learner_gone_for_good_is_the_service_s_fault():
    gone = {"a": Seen(sighting=Sighting.GONE, taken=True)}
    _, found = steps(a_started("a"), seen=gone, past={"a": Past(gone_since=TICK - LOST_AFTER)})
    assert isinstance(found, Finish)
    assert found.outcome.error is not None
    assert found.outcome.error.code == "S100"
    assert "lost" in found.outcome.error.message


def test_what_a_lost_learner_left_running_is_ended_before_its_slots_are_given_away():
    lost = a_started("a", *FOUR[:2])
    gone = {"a": Seen(sighting=Sighting.GONE, taken=True)}
    found = steps(lost, a_training("b", 3), seen=gone, past={"a": Past(gone_since=TICK - LOST_AFTER)})
    assert [type(step) for step in found] == [Clear, Finish, Start]


def test_a_restarted_machine_is_named():
    gone = {"a": Seen(sighting=Sighting.GONE, taken=True, rebooted=True)}
    _, found = steps(a_started("a"), seen=gone, past={"a": Past(gone_since=TICK - LOST_AFTER)})
    assert isinstance(found, Finish)
    assert found.outcome.error is not None
    assert "restarted" in found.outcome.error.message


def test_a_learner_lost_while_it_was_to_stop_has_stopped():
    gone = {"a": Seen(sighting=Sighting.GONE, taken=True)}
    entry = a_started("a", cancel_requested=True)
    _, found = steps(entry, seen=gone, past={"a": Past(gone_since=TICK - LOST_AFTER)})
    assert found == Finish("a", Outcome(TrainingState.CANCELED, NOW))


def lost_while_storing(known: ExitIfLost, *, cancel: bool = False, **seen: object) -> Outcome:
    """Return what is recorded of a training whose learner was lost while it stored results."""
    gone = replace(Seen(sighting=Sighting.GONE, taken=True, exit_if_lost=known), **seen)  # type: ignore[arg-type]
    entry = a_started("a", state=TrainingState.RUNNING, phase=Phase.STORING, cancel_requested=cancel)
    clear, found = steps(entry, seen={"a": gone}, past={"a": Past(gone_since=TICK - LOST_AFTER)})
    assert clear == Clear("a")
    assert isinstance(found, Finish)
    return found.outcome


INTERRUPTED = "storing the results was interrupted"


def an_exit_if_lost(state: TrainingState = TrainingState.ERROR, **more: object) -> ExitIfLost:
    known = {"state": state, "finished_at": NOW - timedelta(minutes=1), "reason": INTERRUPTED, "isolation": "none"}
    return ExitIfLost.model_validate(known | more)


@pytest.mark.parametrize(("exit_code", "code"), [(0, "S303"), (3, "C201")])
def test_a_learner_lost_while_it_stored_leaves_the_exit_code_of_the_command(exit_code: int, code: str):
    found = lost_while_storing(an_exit_if_lost(exit_code=exit_code, code=code))
    assert (found.state, found.exit_code, found.isolation) == (TrainingState.ERROR, exit_code, "none")
    assert found.finished_at == NOW
    assert found.error is not None
    assert found.error.code == code
    assert found.error.message.startswith(f"{INTERRUPTED}. The learner was lost")


def test_a_machine_that_was_restarted_while_a_learner_stored_is_named():
    found = lost_while_storing(an_exit_if_lost(exit_code=0, code="S303"), rebooted=True)
    assert found.exit_code == 0
    assert found.error is not None
    assert found.error.message.startswith(f"{INTERRUPTED}. The machine was restarted")


def test_a_canceled_training_whose_learner_was_lost_while_it_stored_is_canceled():
    known = an_exit_if_lost(exit_code=3, code="C201")
    expected = Outcome(TrainingState.CANCELED, NOW, exit_code=3, isolation="none")
    assert lost_while_storing(known, cancel=True) == expected
    # Canceled by a signal that the service did not send: there is no request.
    assert lost_while_storing(an_exit_if_lost(TrainingState.CANCELED, exit_code=3)) == expected


def test_the_exit_code_is_known_although_exit_json_cannot_be_read():
    found = lost_while_storing(an_exit_if_lost(exit_code=3, code="C201"), exit_damage="broken")
    assert (found.exit_code, found.isolation) == (3, "none")
    assert found.error is not None
    assert found.error.code == "S100"
    assert "exit.json" in found.error.message


def test_what_exit_json_says_counts_more_than_what_would_hold_without_it():
    running = a_started("a", state=TrainingState.RUNNING)
    seen = Seen(exit=an_exit(), sighting=Sighting.GONE, exit_if_lost=an_exit_if_lost(code="S303"))
    assert steps(running, seen={"a": seen}) == [
        Finish("a", Outcome(TrainingState.COMPLETED, NOW, exit_code=0, stored=True))
    ]


def test_a_command_that_has_ended_is_not_run_again_although_run_json_is_missing():
    assert lost_while_storing(an_exit_if_lost(code="S303"), taken=False, handed_over=True).state is TrainingState.ERROR


def test_no_training_completes_whose_learner_was_lost():
    with pytest.raises(ValidationError, match="a lost learner"):
        an_exit_if_lost(TrainingState.COMPLETED)


def test_gone_is_counted_from_the_first_round_that_saw_it_and_forgotten_when_it_is_back():
    gone, entry = Seen(sighting=Sighting.GONE), a_started("a")
    once = remember(entry, gone, Past(), TICK)
    assert remember(entry, gone, once, TICK + LOST_AFTER).gone_since == TICK
    assert remember(entry, ALIVE, once, TICK + LOST_AFTER).gone_since is None


# -- cancel and revival ------------------------------------------------------


def test_a_cancel_is_passed_on():
    assert steps(a_started("a", cancel_requested=True)) == [Stop("a")]


def test_a_cancel_is_repeated_only_after_a_while():
    entry = a_started("a", cancel_requested=True)
    assert steps(entry, past={"a": Past(last_stop=TICK - STOP_AGAIN_AFTER / 2)}) == []
    assert steps(entry, past={"a": Past(last_stop=TICK - STOP_AGAIN_AFTER)}) == [Stop("a")]


def test_what_was_booked_and_never_started_is_started_at_once():
    assert steps(a_started("a", handle=None)) == [StartAgain("a")]


def test_a_learner_nobody_knows_is_given_time_to_come_up_and_then_started_again():
    unknown = {"a": Seen(sighting=Sighting.UNKNOWN)}
    entry = a_started("a")
    assert steps(entry, seen=unknown, past={"a": remember(entry, unknown["a"], Past(), TICK)}) == []
    past = remember(entry, unknown["a"], Past(), TICK - START_AGAIN_AFTER)
    assert steps(entry, seen=unknown, past={"a": past}) == [StartAgain("a")]


def test_a_learner_that_never_shows_itself_is_given_up():
    unknown = {"a": Seen(sighting=Sighting.UNKNOWN)}
    tried = {"a": Past(starts=MOST_STARTS, last_start=TICK - START_AGAIN_AFTER)}
    [found] = steps(a_started("a"), seen=unknown, past=tried)
    assert isinstance(found, GiveUp)
    assert found.outcome.error is not None
    assert found.outcome.error.code == "S101"
    [found] = steps(a_started("a", cancel_requested=True), seen=unknown, past=tried)
    assert found == GiveUp("a", Outcome(TrainingState.CANCELED, NOW))


def test_a_learner_that_waits_in_the_engine_s_own_queue_is_left_alone():
    assert steps(a_started("a"), seen={"a": Seen(sighting=Sighting.WAITING)}) == []


def test_a_learner_gone_before_it_took_the_job_has_done_nothing_and_is_started_again():
    gone = {"a": Seen(sighting=Sighting.GONE, handed_over=True)}
    past = Past(starts=1, last_start=TICK, gone_since=TICK - LOST_AFTER)
    assert steps(a_started("a"), seen=gone, past={"a": past}) == [StartAgain("a")]
    canceled = a_started("a", cancel_requested=True)
    assert steps(canceled, seen=gone, past={"a": past}) == [GiveUp("a", Outcome(TrainingState.CANCELED, NOW))]
    [found] = steps(a_started("a"), seen=gone, past={"a": replace(past, starts=MOST_STARTS)})
    assert isinstance(found, GiveUp)


def test_a_learner_gone_together_with_its_folder_is_lost_since_it_may_have_done_everything():
    gone, past = {"a": Seen(sighting=Sighting.GONE)}, Past(starts=1, last_start=TICK, gone_since=TICK - LOST_AFTER)
    assert [type(step) for step in steps(a_started("a"), seen=gone, past={"a": past})] == [Clear, Finish]


def test_a_learner_at_work_whose_handle_was_never_recorded_is_not_given_up():
    at_work = {"a": Seen(taken=True)}
    tried = Past(starts=MOST_STARTS, last_start=TICK - START_AGAIN_AFTER)
    assert steps(a_started("a", handle=None), seen=at_work, past={"a": tried}) == [StartAgain("a")]
    just_now = replace(tried, last_start=TICK)
    assert steps(a_started("a", handle=None), seen=at_work, past={"a": just_now}) == []


def test_the_slots_of_one_given_up_are_free_only_when_it_is_certain_that_nobody_works():
    unknown = {"a": Seen(sighting=Sighting.UNKNOWN)}
    tried = {"a": Past(starts=MOST_STARTS, last_start=TICK - START_AGAIN_AFTER)}
    found = steps(a_started("a", *FOUR), a_training("b"), seen=unknown, past=tried)
    assert [type(step) for step in found] == [GiveUp]


@given(st.floats(-1e9, 1e9))
def test_no_correction_of_the_date_keeps_anybody_waiting(jump):
    entry, gone = a_started("a", cancel_requested=True), Seen(sighting=Sighting.GONE, taken=True)
    past = remember(entry, gone, Past(), TICK)
    later = NOW + timedelta(seconds=jump)
    ended = list(decide([entry], {"a": gone}, {"a": past}, inventory=FOUR, now=later, tick=TICK + LOST_AFTER))
    assert [type(step) for step in ended] == [Clear, Finish]
    asked = {"a": Past(last_stop=TICK)}
    again = decide([entry], {"a": ALIVE}, asked, inventory=FOUR, now=later, tick=TICK + STOP_AGAIN_AFTER)
    assert list(again) == [Stop("a")]
