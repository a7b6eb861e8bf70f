"""
The keys of a definition that the API of 2017 does not have. No I/O.

A service lists those that it knows (`Extensions.definition_keys`). A client compares before it sends a definition: any
other service would refuse an unknown key, or ignore it, which is worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

EXECUTION = "model_definition.execution"

SOURCE = "training_data.source"
"""Of each element of the list `training_data`."""

DEFINITION_KEYS = (
    "model_definition.framework.image",
    f"{EXECUTION}.resources",
    f"{EXECUTION}.environment",
    f"{EXECUTION}.secrets",
    f"{EXECUTION}.hyperparameters",
    f"{EXECUTION}.time_limit",
    f"{EXECUTION}.nodes",
    f"{EXECUTION}.grace",
    "watchdog",
    "recovery",
    "resume_from",
    f"{SOURCE}.prefix",
    f"{SOURCE}.include",
    f"{SOURCE}.exclude",
    f"{SOURCE}.version",
)
"""The keys that this version knows. `metric_definitions` has an extension of its own, and is left out where it is
missing."""

STORE_TYPES_OF_2017 = frozenset({"softlayer_objectstore", "bluemix_objectstore"})
"""The types of stores in the documentation of 2017; a service lists the others that it knows."""


def used_definition_keys(document: Mapping[str, object]) -> Iterator[str]:
    """Yield those of `DEFINITION_KEYS` that *document* has, a definition as JSON; null counts as absent."""
    for key in DEFINITION_KEYS:
        if any(value is not None for value in _values_at(document, key.split("."))):
            yield key


def used_store_types(document: Mapping[str, object]) -> Iterator[str]:
    """Yield the types of stores that *document* has beyond those of 2017, each once (`Extensions.store_types`)."""
    places = ("training_data.source.type", "training_results.target.type", "training_results.source.type")
    found = (value for place in places for value in _values_at(document, place.split(".")))
    yield from dict.fromkeys(str(one) for one in found if one is not None and str(one) not in STORE_TYPES_OF_2017)


def _values_at(value: object, steps: Sequence[str]) -> Iterator[object]:
    """Yield the value below *value* at the keys *steps*; of a list, those of each element."""
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _values_at(one, steps)
    elif not steps:
        yield value
    elif isinstance(value, Mapping):
        yield from _values_at(value.get(steps[0]), steps[1:])
