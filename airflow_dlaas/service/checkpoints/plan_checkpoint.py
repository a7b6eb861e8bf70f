"""What the next checkpoint consists of, decided from a look and from what is stored. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from airflow_dlaas.service.checkpoints.completeness import Look, is_gone
from airflow_dlaas.service.checkpoints.snapshot import Entry
from airflow_dlaas.service.checkpoints.stored_entries import Found, StoredEntry, state_of


@dataclass(frozen=True, slots=True)
class CheckpointPlan:
    """The entries of a checkpoint by name."""

    stored: Mapping[str, StoredEntry]
    """Those whose contents are stored."""
    new: Mapping[str, Entry]
    """Those whose present state is complete and not stored yet."""
    overwritten: frozenset[str] = frozenset()
    """Those of `stored` that the command is writing again, so that an earlier state counts."""

    @property
    def state(self) -> dict[str, Found]:
        """The state of CHECKPOINT_DIR that it has."""
        return state_of(self.stored) | {name: one.found for name, one in self.new.items()}


def changed_entries(entries: Mapping[str, Entry], state: Mapping[str, Found]) -> list[Entry]:
    """Return the entries that are not as they are in *state*."""
    return [entry for name, entry in entries.items() if state.get(name) != entry.found]


def plan_checkpoint(
    before: Look,
    now: Look,
    complete: Collection[str],
    stored: Mapping[str, StoredEntry],
    restored: Mapping[str, Entry],
) -> CheckpointPlan | None:
    """
    Return the plan of a checkpoint: the present state of each complete entry, and an earlier one of the others.

    An entry that is written for the first time is left out, but one that the attempt began with: without it, a
    checkpoint would have less than the one before.

    :param complete: names of entries of *now*.
    :param stored: the newest complete state of each entry that is stored.
    :param restored: the entries that the attempt began with.
    :return: None if there is no checkpoint, or none yet.
    """
    earlier: dict[str, StoredEntry] = {}
    new: dict[str, Entry] = {}
    overwritten: set[str] = set()
    for name in {*now.entries, *stored, *restored}:
        entry, last, first = now.entries.get(name), stored.get(name), restored.get(name)
        if entry is None and is_gone(before, now, name):
            continue
        if last is not None and (entry is None or entry.found == last.found):
            earlier[name] = last
        elif entry is not None and (name in complete or (first is not None and first.found == entry.found)):
            new[name] = entry
        elif last is not None:
            earlier[name] = last
            overwritten.add(name)
        elif first is not None:
            return None
    return CheckpointPlan(earlier, new, frozenset(overwritten)) if earlier or new else None
