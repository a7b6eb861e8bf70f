"""
Merges an operator's parameters into its training definition. No I/O.

The operator has priority. Hyperparameters, variables and secrets are merged by name, and None removes a name; every
other parameter replaces the definition's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

MERGED_KEYS = ("hyperparameters", "environment", "secrets")
"""The keys of `execution` that are merged by name."""

TOP_LEVEL_KEYS = ("training_data", "training_results", "metric_definitions", "recovery", "resume_from")
"""The keys of the definition itself; all others are keys of `execution`."""

SIZES = ("resourceType", "resource_type")
"""The sizes of 2017, which resources replace: a definition has one of the two."""


def with_parts(document: Mapping[str, Any], parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return *document* with *parts*, the parameters of an operator by name; None means that one is not given.

    A part of *document* that is not an object, although it must be one, stays: its validation reports it.
    """
    given = {name: value for name, value in parts.items() if value is not None}
    if top_level := {name: given.pop(name) for name in TOP_LEVEL_KEYS if name in given}:
        document = {**document, **top_level}
    model = document.get("model_definition")
    execution = model.get("execution") if isinstance(model, Mapping) else None
    if not given or not isinstance(model, Mapping) or not isinstance(execution, Mapping):
        return document
    return {**document, "model_definition": {**model, "execution": _merge_execution(execution, given)}}


def _merge_execution(execution: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(execution)
    for name in MERGED_KEYS:
        if name in given:
            own = merged.get(name)
            if own is None or isinstance(own, Mapping):
                both = {**(own or {}), **given[name]}
                merged[name] = {key: value for key, value in both.items() if value is not None}
    if "training_resources" in given:
        merged = {name: value for name, value in merged.items() if name not in SIZES}
        merged["resources"] = dict(given["training_resources"])
    for name in ("time_limit", "grace"):
        if name in given:
            duration = given[name]
            merged[name] = duration.total_seconds() if isinstance(duration, timedelta) else duration
    return merged
