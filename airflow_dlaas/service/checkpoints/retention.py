"""Which stored objects of checkpoints are no longer needed. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from airflow_dlaas.contract.results import checkpoints_folder
from airflow_dlaas.service.checkpoints.manifest import manifest_name

CheckpointId = tuple[int, int]
"""Attempt and number of a checkpoint: checkpoints of a training are ordered by them."""


@dataclass(frozen=True, slots=True)
class Deletions:
    """Names of objects to delete: the manifests first, so that no manifest names an object that is gone."""

    manifests: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()


def kept_checkpoints(ids: Iterable[CheckpointId], kept: int) -> list[CheckpointId]:
    """Return the newest *kept* checkpoints, the newest first."""
    return sorted(ids, reverse=True)[:kept]


def plan_deletions(
    training_id: str,
    attempt: int,
    kept: Mapping[CheckpointId, Collection[str]],
    manifests: Iterable[CheckpointId],
    contents: Iterable[str],
) -> Deletions:
    """
    Return what no kept checkpoint needs, of *attempt* and earlier ones: a later attempt is the concern of its learner.

    :param kept: for each checkpoint that stays, the names of its objects.
    :param manifests: all stored checkpoints.
    :param contents: the names of all stored contents of files.
    """
    needed = {name for names in kept.values() for name in names}
    prefixes = tuple(f"{checkpoints_folder(training_id)}/{one}/" for one in range(1, attempt + 1))
    return Deletions(
        tuple(manifest_name(training_id, *one) for one in sorted(manifests) if one not in kept and one[0] <= attempt),
        tuple(sorted(one for one in contents if one not in needed and one.startswith(prefixes))),
    )
