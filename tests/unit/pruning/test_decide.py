"""Which results are deleted, and which are kept for which reason."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.training_inputs import TrainingInputs
from airflow_dlaas.pruning.decide import decide, last_value
from airflow_dlaas.pruning.rules import MetricMode, PruneRules
from tests.unit.pruning.trainings import NOW, document, metrics, training_id

ONE = PruneRules(keep=1)


def parse(content: dict[str, Any]) -> TrainingInputs:
    return parse_response(TrainingInputs)(json.dumps(content).encode())


def outcome(rules: PruneRules, *documents: dict[str, Any], without: str = "") -> dict[str, str]:
    """Return the reason for each result that is kept, and "" for each that is deleted, by the letter of its id."""
    trainings = [parse(one) for one in documents]
    stored = {one.id for one in trainings} - {training_id(one) for one in without}
    decisions = decide(trainings, stored, rules, NOW)
    return {one.training.id[-1]: "" if one.deleted else one.reason for one in decisions}


def kept(rules: PruneRules, *documents: dict[str, Any], without: str = "") -> str:
    return "".join(sorted(letter for letter, reason in outcome(rules, *documents, without=without).items() if reason))


def test_the_newest_completed_ones_and_the_newest_others_are_kept() -> None:
    failed = [document(letter, age, state="error") for letter, age in (("d", 0), ("e", 4))]
    completed = [document(letter, age) for letter, age in (("a", 1), ("b", 2), ("c", 3))]
    assert kept(ONE, *failed, *completed) == "ad"
    assert kept(PruneRules(keep=2), *failed, *completed) == "abde"


def test_the_trainings_of_each_name_are_compared_with_each_other() -> None:
    listed = [document("a", 1), document("b", 2), document("c", 3, name="other"), document("d", 4, name="other")]
    assert kept(ONE, *listed) == "ac"
    assert list(outcome(PruneRules(keep=1, name="other"), *listed)) == ["c", "d"]


@pytest.mark.parametrize(
    ("metric", "best"), [("loss", "b"), ("validation/loss", "b"), ("val_loss", "b"), ("accuracy", "c")]
)
def test_the_best_by_the_last_value_of_a_metric_is_kept(metric: str, best: str) -> None:
    listed = [
        document("a", 1, metrics=metrics(loss=0.3, accuracy=0.7)),
        document("b", 2, metrics=metrics(loss=0.1, accuracy=0.8)),
        document("c", 3, metrics=metrics(loss=0.2, accuracy=0.9)),
        document("d", 4, metrics=metrics(loss=float("nan"), accuracy=float("inf"))),
        document("e", 5, state="error", metrics=metrics(loss=0.0, accuracy=1.0)),
    ]
    assert kept(PruneRules(keep_best=metric), *listed) == best


def test_the_mode_decides_which_value_is_the_best() -> None:
    listed = [document("a", 1, metrics=metrics(reward=1)), document("b", 2, metrics=metrics(reward=2))]
    assert kept(PruneRules(keep_best="reward", mode=MetricMode.MAX), *listed) == "b"
    assert kept(PruneRules(keep_best="reward", mode=MetricMode.MIN), *listed) == "a"


def test_a_metric_that_no_training_of_a_name_has_keeps_all_of_them() -> None:
    listed = [document("a", 1, metrics=metrics(loss=1)), document("b", 2), document("c", 3, state="error")]
    assert kept(PruneRules(keep_best="train_loss"), *listed) == "abc"


def test_a_value_is_found_with_and_without_its_phase() -> None:
    training = parse(document("a", metrics=[*metrics(loss=1), {**metrics(loss=2)[0], "phase": "train"}]))
    assert last_value(training, "train/loss") == 2
    assert last_value(training, "loss") == 1
    assert last_value(training, "los") is None


def test_tagged_and_recent_results_are_kept() -> None:
    listed = [document("a", 1), document("b", 40, tags=["promoted"]), document("c", 41, tags=["other"])]
    assert kept(PruneRules(keep_tags=("promoted",)), *listed) == "b"
    assert kept(PruneRules(older_than=timedelta(days=30)), *listed) == "a"
    assert kept(PruneRules(older_than=timedelta(days=30), keep_tags=("promoted", "other")), *listed) == "abc"


def test_results_of_trainings_that_have_not_ended_are_never_decided_about() -> None:
    assert outcome(ONE, document("a", state="running"), document("b", state="pending"), document("c", 9)) == {
        "c": "among the newest 1 that have completed"
    }


RESUMED = {"training_id": training_id("c"), "attempt": 1, "number": 1}


@pytest.mark.parametrize(
    "needing",
    [
        document("a", 1, resumed_from=RESUMED),
        document("a", 1, attempts=[{"number": 1, "resumed_from": RESUMED}]),
        document("a", 1, entity={"resume_from": training_id("c")}),
        document("a", 1, state="running", entity={"resume_from": training_id("c")}),
        document("a", 1, state="pending", waits_for=training_id("c")),
        document("a", 1, name="other", entity={"resume_from": training_id("c")}),
    ],
)
def test_what_a_kept_or_running_training_has_begun_with_is_kept(needing: dict[str, Any]) -> None:
    rules = PruneRules(keep=1, name="mnist")
    reasons = outcome(rules, needing, document("b", 2), document("c", 3), document("d", 4))
    expected = f"{training_id('a')} begins with its checkpoint"
    assert (reasons["c"], reasons["d"]) == (expected, "")


def test_a_chain_of_resumed_trainings_is_kept_as_a_whole() -> None:
    chain = [
        document("a", 1, entity={"resume_from": training_id("b")}),
        document("b", 2, state="error", entity={"resume_from": training_id("c")}),
        document("c", 3, state="error"),
        document("d", 2.5, state="error"),
    ]
    assert kept(PruneRules(keep=1, keep_tags=("x",)), *chain) == "abc"


def test_results_that_are_deleted_keep_nothing() -> None:
    listed = [document("a", 1), document("b", 2, entity={"resume_from": training_id("c")}), document("c", 3)]
    assert kept(ONE, *listed) == "a"
    assert kept(ONE, *listed, without="b") == "a"


def test_a_training_whose_results_are_gone_takes_no_place() -> None:
    listed = [
        document("a", 1, metrics=metrics(loss=0.1)),
        document("b", 2, metrics=metrics(loss=0.5)),
        document("c", 3),
    ]
    assert kept(ONE, *listed, without="a") == "b"
    assert kept(PruneRules(keep_best="loss"), *listed, without="a") == "b"


@pytest.mark.parametrize("prefix", ["{id}", "{id}/", "{id}/model", "{id}/attempt-2/model"])
@pytest.mark.parametrize("state", ["completed", "running", "error"])
def test_results_that_a_training_has_as_data_are_kept(prefix: str, state: str) -> None:
    data = {"training_data": [{"source": {"container": "c", "prefix": prefix.format(id=training_id("b"))}}]}
    listed = [document("a", 1), document("b", 2), document("c", 3, state=state, name="other", entity=data)]
    assert outcome(ONE, *listed)["b"] == f"{training_id('c')} has its results as training data"


@pytest.mark.parametrize(
    "source",
    [{"container": "c"}, {"container": "d", "prefix": training_id("b")}, {"container": "c", "prefix": "train"}, {}],
)
def test_other_data_keeps_no_results(source: dict[str, str]) -> None:
    data = {"training_data": [{"source": source}]}
    assert kept(ONE, document("a", 1, entity=data), document("b", 2)) == "a"


@pytest.mark.parametrize("folder", ["", "models", "models/" + training_id("b"), training_id("a") + "x"])
def test_results_outside_of_the_own_folder_are_kept(folder: str) -> None:
    location = {"training_results": {"location": {"container": "c", "model_location": folder}}}
    reasons = outcome(ONE, document("a", 1), document("b", 2, entity=location))
    assert "which is not its own" in reasons["b"]


def test_a_folder_with_results_of_another_training_is_kept() -> None:
    inside = {"training_results": {"location": {"container": "c", "model_location": f"{training_id('b')}/inner"}}}
    listed = [document("a", 1), document("b", 2), document("d", 3, name="other", entity=inside)]
    assert outcome(ONE, *listed)["b"] == f"the results of {training_id('d')} are in the same folder"


def test_the_results_of_a_later_attempt_are_in_the_own_folder() -> None:
    later = {"training_results": {"location": {"container": "c", "model_location": f"{training_id('b')}/attempt-2"}}}
    assert kept(ONE, document("a", 1), document("b", 2, entity=later)) == "a"


def test_checkpoints_of_a_training_without_results_are_decided_about() -> None:
    nothing = {"training_results": None}
    assert kept(ONE, document("a", 1, state="error"), document("b", 2, state="canceled", entity=nothing)) == "a"


def test_credentials_of_the_definition_are_not_read() -> None:
    assert "in-clear" not in repr(parse(document("a")))
