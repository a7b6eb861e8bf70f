"""The check of repeated work, on lines as trainings record them."""

from __future__ import annotations

from tests.chaos.checkpoints.steps import find_violations, parse_steps


def lines(attempt: int, begin: int, last: int, *, at: float, every: int = 10) -> list[str]:
    """Return the lines of an attempt that makes a step each second, and saves *every* so many."""
    found = [f"{at:.3f} {attempt} begin {begin}\n"]
    for step in range(begin + 1, last + 1):
        found.append(f"{at + step - begin:.3f} {attempt} step {step}\n")
        if step % every == 0:
            found.append(f"{at + step - begin:.3f} {attempt} saved {step}\n")
    return found


def test_attempt_that_begins_with_the_newest_checkpoint_violates_nothing():
    recorded = parse_steps([*lines(1, 0, 45, at=1000.0), *lines(2, 40, 60, at=1050.0)])
    assert not list(find_violations(recorded, [1045.5], {}))


def test_attempt_that_begins_with_nothing_repeats_too_much():
    recorded = parse_steps([*lines(1, 0, 45, at=1000.0), *lines(2, 0, 60, at=1050.0)])
    (found,) = find_violations(recorded, [1045.5], {})
    assert "attempt 2 repeated 45.0 s of work, more than 15.0 s" in found
    assert not list(find_violations(recorded, [1045.5], {1: 31.0}))


def test_steps_after_the_kill_do_not_count():
    """A command without its learner continues for a moment; nothing can store what it does."""
    recorded = parse_steps([*lines(1, 0, 90, at=1000.0), *lines(2, 40, 60, at=1095.0)])
    assert not list(find_violations(recorded, [1045.5], {}))
    assert list(find_violations(recorded, [1090.5], {}))


def test_attempt_must_not_begin_before_the_checkpoint_of_the_one_before():
    recorded = parse_steps([*lines(2, 40, 45, at=1000.0), *lines(3, 30, 60, at=1010.0)])
    assert any("attempt 3 began with step 30, attempt 2 with 40" in one for one in find_violations(recorded, [], {}))


def test_command_that_began_twice_in_an_attempt_is_found():
    recorded = parse_steps([*lines(1, 0, 5, at=1000.0), *lines(1, 0, 5, at=1010.0)])
    assert list(find_violations(recorded, [], {})) == ["the command of attempt 1 began 2 times"]


def test_attempt_begins_with_what_was_saved_after_sigterm_unless_it_was_killed_too():
    recorded = parse_steps([*lines(1, 0, 45, at=1000.0), "1045.5 1 stopped 45\n", *lines(2, 40, 60, at=1050.0)])
    assert list(find_violations(recorded, [], {})) == ["attempt 2 began with 40, not with 45, saved after SIGTERM"]
    assert not list(find_violations(recorded, [1046.0], {}))
