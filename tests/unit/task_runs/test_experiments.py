"""Which experiment is ours, and what is done about it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.experiment import Experiment, ExperimentDraft, ExperimentList
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


def experiments(*told: dict[str, Any]) -> tuple[Experiment, ...]:
    """What a listing says, one experiment a day, each with something that only newer services say."""
    resources = []
    for day, one in enumerate(told, 1):
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
                "entity": {**ENTITY, "experiment_version": version, "team": "a newer service's", **one},
            }
        )
    return parse_response(ExperimentList)(json.dumps({"resources": resources}).encode()).resources


def test_the_newest_that_is_alike_is_ours_wherever_it_stands_in_the_list() -> None:
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
def test_one_that_differs_is_not_ours(change: dict[str, Any]) -> None:
    assert find_experiment(DRAFT, experiments(change)) is None


@pytest.mark.parametrize("author", [None, "the account's owner", {"name": "Ann", "email": "ann@h"}])
def test_an_author_that_was_not_named_may_be_anyone(author: Any) -> None:
    nobody = DRAFT.model_copy(update={"author": None})
    [one] = experiments({"author": author})
    assert find_experiment(nobody, [one]) == one


def test_what_the_service_adds_does_not_count() -> None:
    [one] = experiments({"framework": {**ENTITY["framework"], "runtimes": ["a"]}, "training_data_reference": {"x": 1}})
    assert find_experiment(DRAFT, [one]) == one


def test_unchanged_code_is_reused_and_changed_code_becomes_a_version() -> None:
    [ours] = experiments({})
    assert plan_publish(ours, current_digest="abc", new_digest="abc") == ReuseVersion(ours.entity.experiment_version)
    assert plan_publish(ours, current_digest="abc", new_digest="xyz") == AddVersion("e1")
    assert plan_publish(None, current_digest=None, new_digest="abc") == CreateExperiment()


def test_an_empty_version_is_left_to_whoever_made_it() -> None:
    [ours] = experiments({})
    assert plan_publish(ours, current_digest=None, new_digest="abc") == AddVersion("e1")
