"""The comparison of a completed training with the definition that a task renders now."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.task_runs.reuse import definition_mismatch
from airflow_dlaas.task_runs.run_key import RunKey

CONNECTION = {"auth_url": "http://swift/auth/v1.0", "userId": "a:b", "password": "p"}
SENT: dict[str, Any] = {
    "model_definition": {
        "name": "n",
        "description": "As I wrote it.",
        "author": "me",
        "definition_location": "/v3/ml_assets/experiments/e/versions/v",
        "framework": {"name": "tensorflow", "version": "1.2-py3"},
        "execution": {"command": "python3 train.py", "resourceType": "small"},
    },
    "training_data": [{"connection": CONNECTION, "source": {"container": "c", "type": "softlayer_objectstore"}}],
    "training_results": {"connection": CONNECTION, "target": {"container": "r", "type": "softlayer_objectstore"}},
    "metric_definitions": [{"name": "loss", "regex": r"loss=([\d.]+)"}],
    "recovery": {"attempts": 3, "exit_codes": [75, 76]},
}
LOCATION = {"container": "r", "model_location": "training-1"}


def definition(**changes: Any) -> TrainingDefinition:
    return TrainingDefinition.parse(copy.deepcopy(SENT) | changes)


def echo() -> dict[str, Any]:
    """The response of a service: masked secrets, the tag in the description, state and results of the training."""
    echoed = copy.deepcopy(SENT)
    echoed["model_definition"]["description"] += f" {RunKey('a' * 32, 'b' * 12)}"
    for entry in (echoed["training_data"][0], echoed["training_results"]):
        entry["connection"]["password"] = "********"
    echoed["training_results"]["location"] = LOCATION
    return echoed | {"status": {"state": "completed"}, "newer": 1}


def changed(path: str, value: Any) -> dict[str, Any]:
    echoed = echo()
    *way, last = path.split(".")
    there: Any = echoed
    for step in way:
        there = there[int(step)] if step.isdigit() else there[step]
    if value is None:
        del there[last]
    else:
        there[last] = value
    return echoed


def test_the_echo_of_a_definition_is_equal_to_it() -> None:
    assert definition_mismatch(echo(), definition()) is None


def test_a_training_that_resumed_another_one_has_the_same_definition() -> None:
    """A task that was deferred names the one that it resumes; after a clear it may name another one, or none."""
    resumed = echo() | {"resume_from": "training-1"}
    assert definition_mismatch(resumed, definition()) is None
    assert definition_mismatch(resumed, definition(resume_from="training-2")) is None
    assert definition_mismatch(echo(), definition(resume_from="training-2")) is None


def test_another_recovery_is_another_definition() -> None:
    assert definition_mismatch(echo(), definition(recovery={"attempts": 2})) == "the definition has changed"


@pytest.mark.parametrize("tag", ["[airflow-dlaas " + "a" * 32 + "." + "b" * 12 + ".3]", ""])
def test_the_tag_is_not_compared(tag: str) -> None:
    task = "[airflow dag=digits task=train]"
    for description in (f"As I wrote it. {task} {tag}", f"As I wrote it. {task}"):
        assert definition_mismatch(changed("model_definition.description", description), definition()) is None
    assert definition_mismatch(changed("model_definition.description", f"As I wrote it. {tag}"), definition()) is None


@pytest.mark.parametrize("prefix", ["http://service:8480", ""])
@pytest.mark.parametrize("suffix", ["/content", "/", ""])
def test_urls_of_one_version_are_equal(prefix: str, suffix: str) -> None:
    url = f"{prefix}/v3/ml_assets/experiments/e/versions/v{suffix}"
    assert definition_mismatch(changed("model_definition.definition_location", url), definition()) is None


def test_default_results_that_the_service_adds_are_not_compared() -> None:
    echoed = echo()
    echoed["training_results"] = {"location": LOCATION}
    assert definition_mismatch(echoed, definition(training_results=None)) is None


def test_changed_hyperparameter_is_another_definition() -> None:
    def with_rate(rate: float) -> dict[str, Any]:
        execution = {**SENT["model_definition"]["execution"], "hyperparameters": {"lr": rate}}
        return {**SENT["model_definition"], "execution": execution}

    echoed = echo() | {"model_definition": with_rate(0.1)}
    assert definition_mismatch(echoed, definition(model_definition=with_rate(0.1))) is None
    assert definition_mismatch(echoed, definition(model_definition=with_rate(0.01))) == "the definition has changed"


def test_passwords_are_not_compared() -> None:
    renewed = copy.deepcopy(SENT["training_data"])
    renewed[0]["connection"]["password"] = "another"
    assert definition_mismatch(echo(), definition(training_data=renewed)) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model_definition.name", "m"),
        ("model_definition.description", "As another wrote it."),
        ("model_definition.author", None),
        ("model_definition.definition_location", "/v3/ml_assets/experiments/e/versions/w"),
        ("model_definition.framework.version", "1.3-py3"),
        ("model_definition.execution.command", "python3 train.py --lr 0.1"),
        ("model_definition.execution.resourceType", "large"),
        ("training_data.0.source.container", "d"),
        ("training_data.0.connection.auth_url", "http://other/auth/v1.0"),
        ("training_data.0.connection.userId", "a:c"),
        ("training_data", []),
        ("training_results.target.container", "s"),
        ("training_results", None),
        ("metric_definitions", None),
        ("metric_definitions.0.name", "gain"),
    ],
)
def test_any_other_change_is_a_difference(path: str, value: Any) -> None:
    assert definition_mismatch(changed(path, value), definition()) is not None


def test_a_definition_without_a_version_is_never_equal() -> None:
    location = "/v3/ml_assets/experiments/e"
    model = SENT["model_definition"] | {"definition_location": location}
    echoed = changed("model_definition.definition_location", location)
    assert "names no version" in str(definition_mismatch(echoed, definition(model_definition=model)))


STORES: dict[str, list[dict[str, Any]]] = {
    "s3": [
        {"access_key_id": "ASIA1", "secret_access_key": "one", "session_token": "t1", "region": "eu-west-1"},
        {"access_key_id": "ASIA2", "secret_access_key": "two", "session_token": "t2", "region": "eu-west-1"},
        {"access_key_id": "ASIA2", "secret_access_key": "two", "session_token": "t2", "region": "eu-west-2"},
    ],
    "google_cloud_storage": [
        {"access_token": "one", "project_id": "p"},
        {"access_token": "two", "project_id": "p"},
        {"access_token": "two", "project_id": "q"},
    ],
}


@pytest.mark.parametrize("type_", STORES)
def test_temporary_credentials_are_not_compared_but_their_store_is(type_: str) -> None:
    def with_store(connection: dict[str, Any]) -> dict[str, Any]:
        mount = {"source": {"type": "mount_volume", "path": "/data"}}
        entry = {"connection": connection, "source": {"container": "c", "type": type_, "prefix": "day"}}
        return {"training_data": [entry, mount]}

    one, renewed, other = STORES[type_]
    assert definition_mismatch(echo() | with_store(one), definition(**with_store(renewed))) is None
    assert definition_mismatch(echo() | with_store(one), definition(**with_store(other))) is not None
