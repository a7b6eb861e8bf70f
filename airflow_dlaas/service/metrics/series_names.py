"""
The names of series: the phase is taken out of a name, and a tag that several folders of event files have gets a folder.

Each reader of a metrics file names its series here, so that a value has the same name everywhere. Pure functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from airflow_dlaas.service.metrics.metric_phases import phase_of_word, split_phase


class SeriesKey(NamedTuple):
    """What distinguishes the series of one training."""

    phase: str
    name: str
    is_progress: bool = False
    """Whether a progress bar showed the values."""
    event_folder: str | None = None
    """The folder of the event files; None for values from elsewhere."""


@lru_cache(maxsize=4096)
def series_key(phase: str, name: str, is_progress: bool, event_folder: str | None) -> SeriesKey:
    """Return the key of the series that a value belongs to: ``val_loss`` is ``loss`` of the phase "validation"."""
    return SeriesKey(*split_phase(phase, name), is_progress, event_folder)


def series_names(keys: Iterable[SeriesKey]) -> dict[SeriesKey, str]:
    """
    Return the name of each series.

    A name that event files in several folders have gets the shortest part of the folder that distinguishes them:
    ``gen/adv`` and ``disc/adv``. A name from event files hides the same name from elsewhere, which has no entry then:
    event files have each step.
    """
    groups: defaultdict[tuple[str, str, bool], list[SeriesKey]] = defaultdict(list)
    hidden: set[tuple[str, str]] = set()
    for key in keys:
        groups[key.phase, key.name, key.event_folder is not None].append(key)
        if key.event_folder is not None:
            hidden.add((key.phase, key.name))
    names: dict[SeriesKey, str] = {}
    for (phase, name, is_event), group in groups.items():
        if is_event:
            prefixes = _distinguishing_parts({_folder_parts(key) for key in group})
            names |= {key: "/".join((*prefixes[_folder_parts(key)], name)) for key in group}
        elif (phase, name) not in hidden:
            names |= dict.fromkeys(group, name)
    return names


def _folder_parts(key: SeriesKey) -> tuple[str, ...]:
    """Return the folders of a series without those that state its phase, and without the tag in the last one."""
    *parents, last = PurePosixPath(key.event_folder or "").parts or ("",)
    own = last.removeprefix(f"{key.name.replace('/', '_')}_")
    return tuple(part for part in (*parents, own) if part and not phase_of_word(part))


def _distinguishing_parts(folders: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return for each of *folders* its parts without those at the start and the end that all of them have."""
    start = _common_length(folders)
    rest = {folder: folder[start:] for folder in folders}
    end = _common_length([parts[::-1] for parts in rest.values()])
    return {folder: parts[: len(parts) - end] for folder, parts in rest.items()}


def _common_length(folders: Collection[tuple[str, ...]]) -> int:
    count = 0
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        count += 1
    return count
