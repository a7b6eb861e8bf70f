"""The options of `train` for resources, variables, hyperparameters, time limit and watchdog."""

from __future__ import annotations

import pytest

from airflow_dlaas.cli.train.execution import (
    ExecutionOptions,
    ResourceOptions,
    WatchdogOptions,
    parse_duration,
    parse_environment,
    parse_parameters,
    parse_value,
)
from airflow_dlaas.cli.train.secret_values import read_secrets
from airflow_dlaas.exceptions import InvalidArgument


def test_without_an_option_the_definition_is_the_one_of_2017() -> None:
    assert ExecutionOptions().document() == {"resourceType": "small"}
    assert WatchdogOptions().document() is None


def test_amounts_replace_the_size() -> None:
    assert ResourceOptions(size="large").document() == {"resourceType": "large"}
    assert ResourceOptions(cpus=0.5).document() == {"resources": {"gpus": 0, "cpus": 0.5}}
    assert ResourceOptions(gpus=8, memory="64GiB", shared_memory="8GiB").document() == {
        "resources": {"gpus": 8, "memory": "64GiB", "shared_memory": "8GiB"}
    }
    assert ResourceOptions(gpus=0).document() == {"resources": {"gpus": 0}}


def test_size_and_an_amount_are_refused_together() -> None:
    with pytest.raises(InvalidArgument, match="--size: leave it out together with --gpus, --shared-memory"):
        ResourceOptions(size="small", gpus=1, shared_memory="1GiB").document()


def test_all_options_are_in_the_document() -> None:
    options = ExecutionOptions(
        environment={"A": "1"},
        secrets={"TOKEN": "made-up"},
        hyperparameters={"lr": 0.1},
        time_limit=60.0,
        grace=0.0,
    )
    assert options.document() == {
        "resourceType": "small",
        "environment": {"A": "1"},
        "secrets": {"TOKEN": "made-up"},
        "hyperparameters": {"lr": 0.1},
        "time_limit": 60.0,
        "grace": 0.0,
    }
    assert "made-up" not in repr(options)


def test_watchdog_needs_a_limit_to_act_on() -> None:
    assert WatchdogOptions(60.0, 5.0, "cancel").document() == {"silent_for": 60.0, "gpu_below": 5.0, "action": "cancel"}
    assert WatchdogOptions(silent_for=60.0).document() == {"silent_for": 60.0}
    with pytest.raises(InvalidArgument, match="--watchdog-action: it needs --silent-for or --gpu-below"):
        WatchdogOptions(action="warn").document()


def test_variable_without_a_value_is_that_of_the_shell() -> None:
    found = parse_environment(["A=1", "B=x=y", "C=", "HOST"], {"HOST": "h", "A": "other"})
    assert found == {"A": "1", "B": "x=y", "C": "", "HOST": "h"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["MISSING"], "--env MISSING: this shell has no variable MISSING"),
        (["=1"], "--env: the name is missing"),
        (["A=1", "A=2"], "--env: A is given twice"),
    ],
)
def test_unusable_variable_is_refused(values: list[str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_environment(values, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("3", 3), ("-3", -3), ("0.01", 0.01), ("1e-4", 1e-4), (".5", 0.5), ("2.", 2.0)),
        *(("true", True), ("false", False), ("True", "True"), ("adam", "adam"), ("", ""), ("nan", "nan")),
        *(("1_000", "1_000"), ("1.2.3", "1.2.3"), ('"2.0"', "2.0"), ('"', '"'), ('"a\\"', '"a\\"'), ("1,2", "1,2")),
    ],
)
def test_hyperparameter_is_a_number_a_truth_value_or_a_text(text: str, value: object) -> None:
    found = parse_value(text)
    assert (type(found), found) == (type(value), value)


def test_hyperparameter_needs_a_name_and_a_value() -> None:
    assert parse_parameters(["lr=0.01", "name=a=b"]) == {"lr": 0.01, "name": "a=b"}
    for values, message in ((["lr"], "--param lr: the value is missing"), (["a=1", "a=2"], "a is given twice")):
        with pytest.raises(InvalidArgument, match=message):
            parse_parameters(values)


def test_duration_has_a_unit_or_is_in_seconds() -> None:
    assert [parse_duration(one, "--x") for one in ("90", "90s", "30m", "1.5h", "2 d")] == [90, 90, 1800, 5400, 172800]
    assert parse_duration(None, "--x") is None
    assert parse_duration("0", "--x", allow_zero=True) == 0
    for text in ("", "0", "0s", "-1", "1w", "1h30m", "inf"):
        with pytest.raises(InvalidArgument, match=r"--time-limit: .* is no duration"):
            parse_duration(text, "--time-limit")


def test_secret_comes_from_the_environment_or_is_asked_for() -> None:
    environ = {"HF_TOKEN": "made-up-1", "OTHER": "made-up-2"}
    asked: list[str] = []

    def ask(name: str) -> str:
        asked.append(name)
        return "made-up-3"

    found = read_secrets(["HF_TOKEN", "KEY=env:OTHER", "TYPED"], environ, ask)
    assert found == {"HF_TOKEN": "made-up-1", "KEY": "made-up-2", "TYPED": "made-up-3"}
    assert asked == ["TYPED"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["HF_TOKEN=made-up-1"], "--secret HF_TOKEN: a value on the command line is no secret"),
        (["KEY=env:OTHER"], "--secret KEY: this shell has no variable OTHER"),
        (["KEY=env:"], r"no variable \(empty\)"),
        (["HF_TOKEN", "HF_TOKEN=env:HF_TOKEN"], "HF_TOKEN is given twice"),
        (["=env:HF_TOKEN"], "the name is missing"),
    ],
)
def test_unusable_secret_is_refused_without_its_value(values: list[str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message) as caught:
        read_secrets(values, {"HF_TOKEN": "made-up-1"}, lambda _: "made-up-3")
    assert "made-up" not in str(caught.value)
