"""
The keys of a definition that the API of 2017 does not have. No I/O.

A service lists those that it knows (`Extensions.definition_keys`). A client compares before it sends a definition: any
other service would refuse an unknown key, or ignore it, which is worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

EXECUTION = "model_definition.execution"

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
)
"""The keys that this version knows. `metric_definitions` has an extension of its own, and is left out where it is
missing."""


def used_definition_keys(document: Mapping[str, object]) -> Iterator[str]:
    """Yield those of `DEFINITION_KEYS` that *document* has, a definition as JSON; null counts as absent."""
    for key in DEFINITION_KEYS:
        value: object = document
        for step in key.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None:
            yield key
