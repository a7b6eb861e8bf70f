"""What a training has recorded about its steps, and how much of its work was repeated. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

LOOKS = 5.0
"""Seconds between the end of a checkpoint and the begin of its transfer, at most: looks are a second apart, and a
second one has to find the same."""


@dataclass
class AttemptSteps:
    """The lines of ``steps.txt`` of one attempt."""

    number: int
    begins: list[tuple[float, int]] = field(default_factory=list)
    """Times at which the command began, and its last step so far: one, unless the command ran twice."""
    steps: list[tuple[float, int]] = field(default_factory=list)
    saved: list[tuple[float, int]] = field(default_factory=list)
    """Times at which a checkpoint was completely written."""
    stopped: int | None = None
    """The step that was saved after SIGTERM, before the command ended by itself."""


def parse_steps(lines: Iterable[str]) -> dict[int, AttemptSteps]:
    """Return what the attempts have recorded, by number. An unfinished last line is left out."""
    found: dict[int, AttemptSteps] = {}
    for line in lines:
        words = line.split()
        if len(words) != 4 or not line.endswith("\n"):
            continue
        attempt = found.setdefault(int(words[1]), AttemptSteps(int(words[1])))
        entry = float(words[0]), int(words[3])
        match words[2]:
            case "begin":
                attempt.begins.append(entry)
            case "step":
                attempt.steps.append(entry)
            case "saved":
                attempt.saved.append(entry)
            case "stopped":
                attempt.stopped = entry[1]
    return dict(sorted(found.items()))


def find_violations(
    attempts: Mapping[int, AttemptSteps], kills: Sequence[float], sending: Mapping[int, float]
) -> Iterator[str]:
    """
    Yield each attempt that began twice, or repeated more work than it may.

    :param kills: the times at which the training's learner or command was killed, without SIGTERM before.
    :param sending: the longest transfer of a checkpoint by attempt, in seconds.
    """
    for one in attempts.values():
        if len(one.begins) > 1:
            yield f"the command of attempt {one.number} began {len(one.begins)} times"
    for one in repeated_work(attempts, kills):
        before, after = one.before, one.after
        resumed_with, began_with = after.begins[0][1], before.begins[0][1]
        if resumed_with < began_with:
            yield f"attempt {after.number} began with step {resumed_with}, attempt {before.number} with {began_with}"
        if before.stopped not in {None, resumed_with} and not one.was_killed:
            yield f"attempt {after.number} began with {resumed_with}, not with {before.stopped}, saved after SIGTERM"
        allowed = one.interval + LOOKS + sending.get(before.number, 0.0)
        if one.seconds > allowed:
            yield (
                f"attempt {after.number} repeated {one.seconds:.1f} s of work, more than {allowed:.1f} s: steps "
                f"{resumed_with} to {one.last}; attempt {before.number} began with {began_with} and saved "
                f"{[step for _, step in before.saved]}"
            )


@dataclass(frozen=True)
class RepeatedWork:
    """The work of an attempt that the next one did again."""

    before: AttemptSteps
    after: AttemptSteps
    seconds: float
    last: int
    """The last step before the kill."""
    interval: float
    """The longest time from one checkpoint to the next, in seconds."""
    was_killed: bool


def repeated_work(attempts: Mapping[int, AttemptSteps], kills: Sequence[float]) -> Iterator[RepeatedWork]:
    """Yield what each further attempt did again. Steps after a kill do not count: nothing could store them."""
    for before, after in pairwise(one for one in attempts.values() if one.begins):
        began_at, _ = before.begins[0]
        resumed_at, resumed_with = after.begins[0]
        until = min([at for at in kills if began_at < at < resumed_at], default=resumed_at)
        done = [(at, step) for at, step in before.steps if at <= until] or before.begins[:1]
        since = next((at for at, step in done if step == resumed_with), began_at)
        last_at, last = done[-1]
        yield RepeatedWork(
            before, after, last_at - since, last, _longest_interval(before, last_at), was_killed=until < resumed_at
        )


def _longest_interval(attempt: AttemptSteps, until: float) -> float:
    times = [attempt.begins[0][0], *(at for at, _ in attempt.saved if at <= until), until]
    return max(later - earlier for earlier, later in pairwise(times))
