"""The additional keys of a definition: what is accepted, what is refused by which message, what is masked."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from airflow_dlaas.contract.byte_size import format_bytes, parse_bytes
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.definition_keys import DEFINITION_KEYS, used_definition_keys
from airflow_dlaas.contract.hyperparameter_values import hyperparameter_variables
from airflow_dlaas.contract.stores import MASK, REVEAL_SECRETS
from airflow_dlaas.exceptions import InvalidDefinition

SECRETS = ("secret-1", "secret-2")

FULL: dict[str, Any] = {
    "model_definition": {
        "name": "bert",
        "definition_location": "/v3/ml_assets/experiments/e/versions/v",
        "framework": {"name": "python", "version": "3.11", "image": "registry.example.org/team/train:1"},
        "execution": {
            "command": "python train.py",
            "resources": {"gpus": 8, "cpus": 15.5, "memory": "64GiB", "shared_memory": "8GiB"},
            "environment": {"NCCL_DEBUG": "WARN"},
            "secrets": {"HF_TOKEN": "hf_abcdef"},
            "hyperparameters": {"lr": 0.01, "learning-rate": 1, "amp": True, "optimizer": "adam"},
            "time_limit": 3600,
            "nodes": 1,
            "grace": 120,
        },
    },
    "training_data": [
        {
            "connection": {"auth_url": "http://s", "userId": "u", "password": "p"},
            "source": {
                "container": "c",
                "type": "softlayer_objectstore",
                "prefix": "train",
                "include": ["*.png"],
                "exclude": ["draft-*"],
                "version": f"sha256:{0:064x}",
            },
        }
    ],
    "watchdog": {"gpu_below": 5, "silent_for": 600, "action": "cancel"},
    "recovery": {"attempts": 3, "exit_codes": [75, 137]},
    "resume_from": "training-aB3_-6789",
}


def definition_with(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(FULL)
    *parents, last = path.split(".")
    inner = document
    for one in parents:
        inner = inner[one]
    inner[last] = value
    return document


def execution_with(key: str, value: Any) -> dict[str, Any]:
    return definition_with(f"model_definition.execution.{key}", value)


def test_every_key_is_accepted_and_kept_as_it_was_sent():
    dumped = TrainingDefinition.parse(FULL).model_dump(mode="json", exclude_unset=True, context=REVEAL_SECRETS)
    assert dumped == FULL
    assert tuple(used_definition_keys(FULL)) == DEFINITION_KEYS


def test_null_means_absent():
    execution = FULL["model_definition"]["execution"]
    document = execution_with("environment", None)
    document["watchdog"] = None
    parsed = TrainingDefinition.parse(document)
    assert parsed.watchdog is None
    assert parsed.model_definition.execution.environment is None
    assert "watchdog" not in set(used_definition_keys(document))
    with_null = TrainingDefinition.parse(execution_with("hyperparameters", {"lr": None, "amp": False}))
    assert with_null.model_definition.execution.hyperparameters == {"amp": False}
    assert execution["hyperparameters"]["lr"] == 0.01


def test_a_dump_masks_secrets_so_that_a_rotated_one_is_the_same_definition():
    first, second = (
        TrainingDefinition.parse(execution_with("secrets", {"A": one})) for one in ("secret-1", "secret-2")
    )
    assert first.model_dump(mode="json") == second.model_dump(mode="json")
    assert first.model_dump(mode="json")["model_definition"]["execution"]["secrets"] == {"A": MASK}
    assert "secret-1" not in f"{first!r} {first}"
    TrainingDefinition.parse(first.model_dump(mode="json", exclude_unset=True))  # a response can be read


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("resourceType", "small", "resourceType: must not be given together with resources"),
        ("resources", None, "execution.resourceType: is missing"),
        ("resources", {"gpus": -1}, "resources.gpus: must be at least 0"),
        ("resources", {"gpus": 1.5}, "resources.gpus: must be a whole number"),
        ("resources", {"gpus": True}, "resources.gpus: must be a whole number"),
        ("resources", {"cpus": 0}, "resources.cpus: must be greater than 0"),
        ("resources", {"memory": "16 gigs"}, "resources.memory: must be a number of bytes, or of kB"),
        ("resources", {"memory": 0}, "resources.memory: must be at least 1 byte"),
        ("resources", {"gpu": 1}, "resources.gpu: is not a key of the definition"),
        ("environment", {"1A": "x"}, "environment: '1A' is no name of a variable"),
        ("environment", {"DATA_DIR": "x"}, "environment: DATA_DIR is set by the service"),
        ("environment", {"HP_LR": "x"}, "environment: HP_LR: names that begin with HP_"),
        ("environment", {"EPOCHS": 3}, "environment.EPOCHS: must be a string"),
        ("environment", {"A": "x\0"}, "environment: A must not hold a NUL character"),
        ("environment", {"A": "x" * 40_000}, "environment: A must be at most 32,768 bytes long"),
        ("environment", {f"A{n}": "" for n in range(201)}, "environment: must have at most 200 variables"),
        ("environment", {"HF_TOKEN": "x"}, "environment and secrets must not both have HF_TOKEN"),
        ("secrets", {"A": "short"}, "secrets: A must have at least 6 characters"),
        ("secrets", {"A": " pad   "}, "secrets: A must have at least 6 characters"),
        ("secrets", {"PATH": "long enough"}, "secrets: PATH is set by the service"),
        ("hyperparameters", [1], "hyperparameters: must be an object"),
        ("hyperparameters", {"layers": [1, 2]}, "hyperparameters: 'layers' must be a number, a text, true or false"),
        ("hyperparameters", {"a-b": 1, "a.b": 2}, "hyperparameters: 'a.b' and 'a-b' give the same variable HP_a_b"),
        ("hyperparameters", {"lr": 1, "LR": 2}, "hyperparameters: 'LR' and 'lr' give the same variable HP_LR"),
        ("hyperparameters", {"lr": float("nan")}, "hyperparameters: 'lr' must be a finite number"),
        ("hyperparameters", {" ": 1}, "hyperparameters: names must be printable texts"),
        ("hyperparameters", {"name": "\ud800"}, "hyperparameters: 'name' must be valid Unicode"),
        ("hyperparameters", {str(n): "x" * 8192 for n in range(17)}, "hyperparameters: must be at most 131,072 bytes"),
        ("time_limit", 0, "time_limit: must be greater than 0"),
        ("nodes", 0, "nodes: must be at least 1"),
        ("grace", -1, "grace: must be at least 0"),
        ("grace", 86_401, "grace: must be at most 86400"),
        ("grace", "long", "grace: must be a number"),
    ],
)
def test_message_names_the_key_and_the_way_out(key: str, value: Any, message: str):
    with pytest.raises(InvalidDefinition) as caught:
        TrainingDefinition.parse(execution_with(key, value))
    assert any(message in one for one in caught.value.problems), caught.value.problems
    assert "long enough" not in str(caught.value)


@pytest.mark.parametrize(
    ("watchdog", "message"),
    [
        ({}, "watchdog: must have gpu_below or silent_for"),
        ({"gpu_below": 101}, "watchdog.gpu_below: must be at most 100"),
        ({"silent_for": 60, "action": "kill"}, "watchdog.action: must be warn or cancel"),
    ],
)
def test_message_names_the_key_of_the_watchdog(watchdog: dict[str, Any], message: str):
    with pytest.raises(InvalidDefinition) as caught:
        TrainingDefinition.parse(definition_with("watchdog", watchdog))
    assert any(message in one for one in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("recovery", {}, "recovery.attempts: is missing"),
        ("recovery", 3, "recovery: must be an object"),
        ("recovery", {"attempts": 0}, "recovery.attempts: must be at least 1"),
        ("recovery", {"attempts": 101}, "recovery.attempts: must be at most 100"),
        ("recovery", {"attempts": 2.5}, "recovery.attempts: must be a whole number"),
        ("recovery", {"attempts": True}, "recovery.attempts: must be a whole number"),
        ("recovery", {"attempts": 2, "exit_codes": 75}, "recovery.exit_codes: must be a list"),
        ("recovery", {"attempts": 2, "exit_codes": [0]}, "recovery.exit_codes[0]: must be at least 1"),
        ("recovery", {"attempts": 2, "exit_codes": [75, 256]}, "recovery.exit_codes[1]: must be at most 255"),
        ("recovery", {"attempts": 2, "exit_codes": [75, 75]}, "recovery.exit_codes: must name each exit code once"),
        ("recovery", {"attempts": 2, "retries": 1}, "recovery.retries: is not a key of the definition"),
        ("resume_from", "", "resume_from: must have at least 1 character"),
        ("resume_from", "x" * 65, "resume_from: must have at most 64 characters"),
        ("resume_from", True, "resume_from: must be a string"),
    ],
)
def test_message_names_the_key_of_recovery_and_of_resuming(path: str, value: Any, message: str):
    with pytest.raises(InvalidDefinition) as caught:
        TrainingDefinition.parse(definition_with(path, value))
    assert any(message in one for one in caught.value.problems), caught.value.problems


def test_recovery_without_exit_codes_is_for_a_lost_learner_only():
    recovery = TrainingDefinition.parse(definition_with("recovery", {"attempts": 2, "exit_codes": None})).recovery
    assert recovery is not None
    assert (recovery.attempts, recovery.exit_codes) == (2, ())


def test_hyperparameters_become_variables_as_written_and_in_capitals():
    assert hyperparameter_variables({"learning-rate": 0.01, "amp": True, "BATCH": 32, "name": "a b"}) == {
        "HP_learning_rate": "0.01",
        "HP_LEARNING_RATE": "0.01",
        "HP_amp": "true",
        "HP_AMP": "true",
        "HP_BATCH": "32",
        "HP_name": "a b",
        "HP_NAME": "a b",
    }


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), (5, 5), ("16GiB", 16 * 2**30), ("1.5 GB", 1_500_000_000), ("2kB", 2000)]
)
def test_bytes_are_parsed(text: str | int, number: int):
    assert parse_bytes(text) == number


def test_bytes_are_formatted():
    assert [format_bytes(one) for one in (0, 1023, 1536, 2**30)] == ["0 B", "1023 B", "1.5 KiB", "1.0 GiB"]
