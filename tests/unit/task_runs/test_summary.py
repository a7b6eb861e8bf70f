from __future__ import annotations

import json

from airflow_dlaas.contract.curves import Curves, Series
from airflow_dlaas.contract.hyperparameters import parse_hyperparameters, redact_secrets, shown_hyperparameters
from airflow_dlaas.contract.training import Training
from airflow_dlaas.task_runs.summary import MAX_SUMMARY_CURVES, final_metrics, summarize_training
from tests.builders import a_training


def curves(number: int, points: int) -> Curves:
    return Curves(
        version="1",
        series=tuple(
            Series(
                name=f"metric {one}",
                phase="train",
                total=points,
                points=tuple((float(step), 0.123456789, 1.8e9 + step) for step in range(points)),
            )
            for one in range(number)
        ),
    )


def test_hyperparameters_are_parsed_from_the_command_line() -> None:
    command = "python3 a.py --learningRate 0.001 --trainImagesFile=${DATA_DIR}/x.gz --shift -3 --verbose -c 'x' last"
    assert parse_hyperparameters(command) == {
        "learningRate": "0.001",
        "trainImagesFile": "${DATA_DIR}/x.gz",
        "shift": "-3",
        "verbose": "true",
    }
    assert parse_hyperparameters("echo 'half a") == {}


def test_the_value_of_a_secret_option_is_masked() -> None:
    assert parse_hyperparameters("a --api-key abc --password=def --tokens 7") == {
        "api-key": "***",
        "password": "***",
        "tokens": "***",
    }


def training_with(command: str, **hyperparameters: object) -> Training:
    document = a_training().model_dump(mode="json", exclude_none=True)
    document["entity"]["model_definition"]["execution"] |= {"command": command, "hyperparameters": hyperparameters}
    return Training.model_validate(document)


def test_hyperparameters_of_the_definition_come_before_the_options_of_the_command() -> None:
    command = "python3 a.py --lr 9 --rate ${HP_lr} --decay=$HP_LR --epochs 3"
    execution = training_with(command, lr=0.1, amp=True).entity.model_definition.execution
    assert list(shown_hyperparameters(execution).items()) == [("lr", 0.1), ("amp", True), ("epochs", "3")]
    alone = training_with("a --home $HOME --rate ${HP_lr}").entity.model_definition.execution
    assert shown_hyperparameters(alone) == {"home": "$HOME", "rate": "${HP_lr}"}


def test_summary_has_hyperparameters_without_long_texts_and_secrets() -> None:
    training = training_with("true", max_tokens=512, api_key="s3cret", text="x" * 8000, lr=0.1)
    kept = summarize_training(training, None, "c")
    assert kept["parameters"] == {"max_tokens": 512, "api_key": "***", "text": "x" * 200, "lr": 0.1}
    assert "s3cret" not in json.dumps(kept)
    assert len(json.dumps(kept)) < 4000
    Training.model_validate(kept["training"])


def test_a_summary_is_small_plain_data_and_is_parsed_as_a_training() -> None:
    kept = json.loads(json.dumps(summarize_training(a_training(), curves(100, 1000), "dlaas_default")))
    assert len(json.dumps(kept)) < 100_000
    assert len(kept["curves"]["series"]) == MAX_SUMMARY_CURVES
    assert Training.model_validate(kept["training"]) == a_training()
    Curves.model_validate(kept["curves"])


def test_a_summary_has_the_attempts_and_the_resumed_training() -> None:
    source = {"training_id": "training-1", "attempt": 1, "number": 7}
    attempts = [{"number": 1, "reason": "The learner was lost"}, {"number": 2, "resumed_from": source}]
    training = a_training(attempt=2, attempts=attempts, resumed_from=source)
    status = summarize_training(training, None, "dlaas_default")["training"]["entity"]["status"]
    assert {name: status[name] for name in ("attempt", "attempts", "resumed_from")} == {
        "attempt": 2,
        "attempts": attempts,
        "resumed_from": source,
    }


def test_a_loss_of_nan_stays_nan() -> None:
    series = Series(name="loss", total=1, points=((1.0, float("nan"), 0.0),))
    kept = json.loads(
        json.dumps(summarize_training(a_training(), Curves(version="1", series=(series,)), "c"), allow_nan=False)
    )
    assert str(Curves.model_validate(kept["curves"]).series[0].points[0][1]) == "nan"


def test_a_final_metric_that_is_not_finite_can_be_written_as_json() -> None:
    values = [{"name": "loss", "value": "NaN"}, {"name": "lr", "value": 0.1}]
    metric = {"timestamp": "2026-11-23T02:00:00.000Z", "iteration": 1, "values": values}
    training = a_training(metrics=[metric])
    assert final_metrics(training) == {"loss": "nan", "lr": 0.1}
    kept = json.loads(json.dumps(summarize_training(training, None, "c"), allow_nan=False))
    assert str(Training.model_validate(kept["training"]).status.metrics[0].values[0].value) == "nan"


def test_a_summary_has_no_secret_of_the_command_line() -> None:
    command = "API_KEY=s3cret python3 a.py --password 's3cret s3cret' --token=s3cret --tokens-file tokens.txt"
    assert "s3cret" not in redact_secrets(command)
    assert redact_secrets("cat tokens.txt | python3 a.py --rate 3") == "cat tokens.txt | python3 a.py --rate 3"
    model = a_training().entity.model_definition
    model_with_command = model.model_copy(update={"execution": model.execution.model_copy(update={"command": command})})
    training = a_training()
    entity = training.entity.model_copy(update={"model_definition": model_with_command})
    assert "s3cret" not in json.dumps(summarize_training(training.model_copy(update={"entity": entity}), None, "c"))


def test_final_metrics_have_phase_and_name() -> None:
    assert final_metrics(a_training(), curves(2, 3)) == {"train/metric 0": 0.123456789, "train/metric 1": 0.123456789}
    assert final_metrics(a_training()) == {}


def test_final_metric_of_a_diverged_training_is_not_its_last_finite_value() -> None:
    series = Series(name="loss", total=2, points=((1.0, 0.5, 0.0), (2.0, float("inf"), 0.0)))
    assert final_metrics(a_training(), Curves(version="1", series=(series,))) == {"loss": "inf"}


def test_value_of_a_progress_bar_is_final_only_without_another() -> None:
    epochs = Series(name="loss", total=1, points=((1.0, 0.5, 0.0),))
    bar = Series(name="loss", total=1, points=((9.0, 0.7, 1.0),), progress=True, axis="step")
    other = bar.model_copy(update={"name": "acc"})
    for order in ((epochs, bar, other), (bar, epochs, other)):
        kept = Curves(version="1", series=order)
        assert final_metrics(a_training(), kept) == {"loss": 0.5, "acc": 0.7}
        summary = Curves.model_validate(summarize_training(a_training(), kept, "c")["curves"])
        assert [(one.name, one.progress, one.axis) for one in summary.series or ()][-1] == (
            order[-1].name,
            True,
            "step",
        )
    time = "2026-11-23T02:00:00.000Z"
    values = {
        progress: {
            "timestamp": time,
            "iteration": 1,
            "values": [{"name": "loss", "value": value}],
            "progress": progress,
        }
        for progress, value in ((True, 0.7), (False, 0.5))
    }
    assert final_metrics(a_training(metrics=[values[True], values[False]])) == {"loss": 0.5}
