"""How the pages show the training data that a training read, and how that of two trainings differs. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from pydantic import ValidationError

from airflow_dlaas.contract.data_manifest import DataManifest, SourceManifest, differences
from airflow_dlaas.plugin.response_models import (
    DataComparison,
    DataObject,
    DataObjects,
    SourceComparison,
    SourceObjects,
)

MAX_OBJECTS = 1000
"""Objects of one source in one document, and names of each kind of difference."""


class InvalidManifest(Exception):
    """The content of an object is no manifest of training data."""


def parse_manifest(content: bytes) -> DataManifest:
    """
    Parse the manifest that a training stored; keys of a newer service are ignored.

    :raises InvalidManifest: it is none.
    """
    try:
        return DataManifest.model_validate_json(content, extra="ignore")
    except ValidationError:
        raise InvalidManifest("The list of the training data that this training read cannot be parsed") from None


def data_objects(manifest: DataManifest) -> DataObjects:
    """Build the document of all sources, with the first `MAX_OBJECTS` objects of each."""
    return DataObjects(
        sources=[
            SourceObjects(
                name=one.source.name,
                total=len(one.objects),
                objects=[
                    DataObject(name=entry.name, size=entry.size, digest=entry.digest)
                    for entry in one.objects[:MAX_OBJECTS]
                ],
            )
            for one in manifest.sources
        ]
    )


def compare_data(manifest: DataManifest, other: DataManifest) -> DataComparison:
    """
    Compare what two trainings read: a source with the one of the same name and prefix, in the order of the definitions.

    A mounted folder has no list of objects; two of them are equal if they have the same path.
    """
    sources = [_compare_source(own, theirs) for own, theirs in _pairs(manifest.sources, other.sources)]
    return DataComparison(equal=all(one.equal for one in sources), sources=sources)


def _pairs(
    sources: Sequence[SourceManifest], others: Sequence[SourceManifest]
) -> list[tuple[SourceManifest | None, SourceManifest | None]]:
    def key(one: SourceManifest) -> tuple[str, str]:
        return (one.source.name, one.source.prefix or "")

    keys = list(dict.fromkeys([*map(key, sources), *map(key, others)]))
    return [
        pair
        for wanted in keys
        for pair in zip_longest(
            [one for one in sources if key(one) == wanted], [one for one in others if key(one) == wanted]
        )
    ]


def _compare_source(own: SourceManifest | None, theirs: SourceManifest | None) -> SourceComparison:
    present = own or theirs
    assert present is not None  # noqa: S101  (a pair has at least one)
    empty = present.model_copy(update={"objects": ()})
    found = differences(theirs or empty, own or empty)
    return SourceComparison(
        name=present.source.name,
        prefix=present.source.prefix or "",
        equal=own is not None and theirs is not None and not any(found.values()),
        only_in=None if own and theirs else "this" if own else "other",
        added=list(found["added"][:MAX_OBJECTS]),
        removed=list(found["removed"][:MAX_OBJECTS]),
        changed=list(found["changed"][:MAX_OBJECTS]),
        added_total=len(found["added"]),
        removed_total=len(found["removed"]),
        changed_total=len(found["changed"]),
    )
