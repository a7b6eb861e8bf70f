"""Tests of the search for an experiment, and of the decision between reuse, a new version and a new experiment."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dlaas.client.experiment_checks import require_nested_code
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.experiment import Experiment, ExperimentDraft, ExperimentList
from airflow_dlaas.contract.instance import Extensions
from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.task_runs.experiments import (
    AddVersion,
    CreateExperiment,
    ReuseVersion,
    find_experiment,
    plan_publish,
)

ENTITY = {
    "name": "digits",
    "description": "As I wrote it.",
    "framework": {"name": "tensorflow", "version": "1.2-py3"},
    "author": "Ann Other",
}
DRAFT = ExperimentDraft.model_validate(ENTITY)


def experiments(*entities: dict[str, Any]) -> tuple[Experiment, ...]:
    """Return listed experiments, one for each day, each with a key that only newer services send."""
    resources = []
    for day, entity in enumerate(entities, 1):
        moment = f"2026-03-{day:02}T10:00:00.000Z"
        version = {"guid": f"v{day}", "url": f"https://h/v{day}", "content_url": f"https://h/v{day}/content"}
        resources.append(
            {
                "metadata": {
                    "guid": f"e{day}",
                    "url": f"https://h/e{day}",
                    "created_at": moment,
                    "modified_at": moment,
                },
                "entity": {**ENTITY, "experiment_version": version, "team": "of a newer service", **entity},
            }
        )
    return parse_response(ExperimentList)(json.dumps({"resources": resources}).encode()).resources


def test_find_experiment_returns_the_newest_match_in_any_order() -> None:
    first, second, third = experiments({}, {}, {"name": "other"})
    for listed in ([first, second, third], [third, second, first], [second, third, first]):
        assert find_experiment(DRAFT, listed) == second


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Digits"},
        {"description": ""},
        {"author": None},
        {"author": "Bob"},
        {"author": {"name": "Ann Other"}},
        {"framework": {"name": "tensorflow", "version": "2.21"}},
        {"framework": {"name": "torch", "version": "1.2-py3"}},
    ],
)
def test_find_experiment_ignores_an_experiment_that_differs(change: dict[str, Any]) -> None:
    assert find_experiment(DRAFT, experiments(change)) is None


@pytest.mark.parametrize("author", [None, "the account's owner", {"name": "Ann", "email": "ann@h"}])
def test_find_experiment_accepts_any_author_if_none_is_given(author: Any) -> None:
    draft = DRAFT.model_copy(update={"author": None})
    [one] = experiments({"author": author})
    assert find_experiment(draft, [one]) == one


def test_find_experiment_ignores_keys_that_the_service_adds() -> None:
    [one] = experiments({"framework": {**ENTITY["framework"], "runtimes": ["a"]}, "training_data_reference": {"x": 1}})
    assert find_experiment(DRAFT, [one]) == one


def test_plan_publish_reuses_unchanged_code_and_adds_changed_code() -> None:
    [existing] = experiments({})
    assert plan_publish(existing, current_digest="abc", new_digest="abc") == ReuseVersion(
        existing.entity.experiment_version
    )
    assert plan_publish(existing, current_digest="abc", new_digest="xyz") == AddVersion("e1")
    assert plan_publish(None, current_digest=None, new_digest="abc") == CreateExperiment()


def test_plan_publish_never_fills_an_empty_version() -> None:
    [existing] = experiments({})
    assert plan_publish(existing, current_digest=None, new_digest="abc") == AddVersion("e1")


def test_find_experiment_keeps_nested_and_flat_ones_apart() -> None:
    flat, nested = experiments({}, {"nested": True})
    assert find_experiment(DRAFT, [flat, nested]) == flat
    assert find_experiment(DRAFT.model_copy(update={"nested": True}), [flat, nested]) == nested


def test_nested_code_is_refused_before_a_request_to_a_service_that_does_not_know_it() -> None:
    draft = DRAFT.model_copy(update={"nested": True})
    with pytest.raises(InvalidBundle, match="nested: this service does not know"):
        require_nested_code(SimpleNamespace(extensions=Extensions()), draft)  # type: ignore[arg-type]
    require_nested_code(SimpleNamespace(extensions=Extensions(nested_code=True)), draft)  # type: ignore[arg-type]
    require_nested_code(SimpleNamespace(), DRAFT)  # type: ignore[arg-type]  # asks for nothing
