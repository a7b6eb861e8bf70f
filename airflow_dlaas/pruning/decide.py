"""Which results are deleted and which are kept, with the reason for each. No I/O."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_dlaas.contract.curves import metric_label
from airflow_dlaas.contract.results import results_root
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training_inputs import TrainingInputs
from airflow_dlaas.pruning.rules import MetricMode, PruneRules

NO_RULE = "no rule keeps it"


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to the results of one training."""

    training: TrainingInputs
    deleted: bool
    reason: str


def results_folder(training: TrainingInputs) -> str:
    """Return the folder of all that *training* has stored, without a slash at the end."""
    results = training.entity.training_results
    location = results.location if results is not None else None
    return training.id if location is None else results_root(training.id, location.model_location)


def has_own_folder(training: TrainingInputs) -> bool:
    """Whether the results of *training* are in a folder with its id, in which nothing else is stored."""
    return results_folder(training) == training.id and "/" not in training.id and training.id not in {"", ".", ".."}


def is_candidate(training: TrainingInputs, rules: PruneRules) -> bool:
    """Whether *rules* are about the results of *training*, if it has any."""
    name = training.entity.model_definition.name
    return training.state.is_final and rules.matches_name(name) and training.results_container is not None


def decide(
    trainings: Sequence[TrainingInputs], stored: Collection[str], rules: PruneRules, now: datetime
) -> Sequence[Decision]:
    """
    Decide about the results of the trainings in *stored*, newest first.

    What is kept keeps what it needs: the trainings with whose checkpoints it has begun, and so on. No results are
    deleted that any training has as its data, or that lie in a folder with those of another training.

    :param trainings: all trainings of the user, of all names and states.
    :param stored: the ids of those that have results or checkpoints in the object store.
    """
    found = [one for one in trainings if one.id in stored and is_candidate(one, rules)]
    kept = _kept_by_rules(found, rules, now)
    kept |= _used_results(found, trainings)
    # Trainings that the rules are about and that have nothing in the store need nothing any more.
    needing = [one for one in trainings if one.id in kept or not is_candidate(one, rules)]
    _keep_needed(found, needing, kept)
    decisions = [Decision(one, one.id not in kept, kept.get(one.id, NO_RULE)) for one in found]
    return sorted(decisions, key=lambda one: one.training.status.submitted_at, reverse=True)


def _kept_by_rules(found: Sequence[TrainingInputs], rules: PruneRules, now: datetime) -> dict[str, str]:
    """Return the trainings that rules keep, each with the reason."""
    groups: defaultdict[str, list[TrainingInputs]] = defaultdict(list)
    for one in sorted(found, key=lambda one: one.status.submitted_at, reverse=True):
        groups[one.entity.model_definition.name].append(one)
    kept: dict[str, str] = {}
    for group in groups.values():
        kept |= _recent(group, rules, now) | _newest(group, rules) | _tagged(group, rules) | _best(group, rules)
    return kept


def _recent(group: Sequence[TrainingInputs], rules: PruneRules, now: datetime) -> dict[str, str]:
    age = rules.older_than
    if age is None:
        return {}
    return {one.id: "it has ended later than the age" for one in group if now - _end_of(one) < age}


def _newest(group: Sequence[TrainingInputs], rules: PruneRules) -> dict[str, str]:
    if rules.keep is None:
        return {}
    completed = [one for one in group if one.state is TrainingState.COMPLETED][: rules.keep]
    others = [one for one in group if one.state is not TrainingState.COMPLETED][: rules.keep]
    return {one.id: f"among the newest {rules.keep} that have completed" for one in completed} | {
        one.id: f"among the newest {rules.keep} that have not completed" for one in others
    }


def _tagged(group: Sequence[TrainingInputs], rules: PruneRules) -> dict[str, str]:
    tags = {one.id: sorted(set(one.status.tags or ()) & set(rules.keep_tags)) for one in group}
    return {training_id: f"has the tag {found[0]!r}" for training_id, found in tags.items() if found}


def _best(group: Sequence[TrainingInputs], rules: PruneRules) -> dict[str, str]:
    """Return the training with the best value; all of them if none has the metric, whose name may be misspelled."""
    if rules.keep_best is None:
        return {}
    values = {
        one.id: value
        for one in group
        if one.state is TrainingState.COMPLETED and (value := last_value(one, rules.keep_best)) is not None
    }
    if not values:
        return {one.id: f"no completed training of this name has the metric {rules.keep_best!r}" for one in group}
    best = (min if rules.best_mode is MetricMode.MIN else max)(values, key=lambda training_id: values[training_id])
    return {best: f"has the best {rules.keep_best} ({values[best]:g})"}


def last_value(training: TrainingInputs, metric: str) -> float | None:
    """
    Return the last value of *metric*, by its name with its phase ("validation/loss") or without it.

    None if there is none, or if it is no finite number. A value with exactly this name comes first; "val_loss" is also
    the loss of the phase "validation".
    """
    named: dict[str, float] = {}
    for one in training.status.metrics:
        for value in one.values:
            named.setdefault(metric_label(one.phase, value.name), value.value)
            named.setdefault(f"\0{value.name}", value.value)
    # The service reports what Keras prints as "val_loss" as the loss of the phase "validation".
    names = (metric, f"\0{metric}", re.sub(r"^val_", "validation/", metric))
    found = next((named[one] for one in names if one in named), None)
    return found if found is not None and math.isfinite(found) else None


def _used_results(found: Iterable[TrainingInputs], trainings: Sequence[TrainingInputs]) -> dict[str, str]:
    """Return those of *found* whose folder may not be deleted, whatever the rules: others use it, or share it."""
    used: dict[str, str] = {}
    for one in found:
        container, folder = one.results_container, results_folder(one)
        if not has_own_folder(one):
            used[one.id] = f"its results are in the folder {folder!r}, which is not its own"
            continue
        for other in trainings:
            if other.id == one.id:
                continue
            theirs = results_folder(other)
            if other.results_container == container and _overlaps(theirs, folder):
                used[one.id] = f"the results of {other.id} are in the same folder"
            elif any(_is_inside(data, folder) for data in _data_folders(other, container)):
                used[one.id] = f"{other.id} has its results as training data"
    return used


def _keep_needed(found: Sequence[TrainingInputs], needing: Sequence[TrainingInputs], kept: dict[str, str]) -> None:
    """Add to *kept* the trainings with whose checkpoints *needing* have begun, and those that these have begun with."""
    undecided = {one.id: one for one in found if one.id not in kept}
    remaining = list(needing)
    while remaining:
        one = remaining.pop()
        for needed in sorted(one.started_from & undecided.keys()):
            kept[needed] = f"{one.id} begins with its checkpoint"
            remaining.append(undecided.pop(needed))


def _data_folders(training: TrainingInputs, container: str | None) -> Iterable[str]:
    for one in training.entity.training_data:
        if one.source is not None and one.source.name == container and one.source.prefix:
            yield one.source.prefix.strip("/")


def _is_inside(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def _overlaps(folder: str, other: str) -> bool:
    return _is_inside(folder, other) or _is_inside(other, folder)


def _end_of(training: TrainingInputs) -> datetime:
    return training.status.finished_at or training.status.submitted_at
