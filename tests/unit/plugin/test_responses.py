from __future__ import annotations

import pytest

from airflow_dlaas.contract.curves import Curves, Series
from airflow_dlaas.contract.training import RecoveryReport
from airflow_dlaas.plugin import responses
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from tests.builders import a_training

REF = TaskInstanceRef("d", "r", "t")


def test_mask_secrets_masks_values_with_secret_names_at_any_depth() -> None:
    masked = responses.mask_secrets(
        {"training_data": [{"connection": {"password": "p", "auth_url": "u"}}], "api_key": "k"}
    )
    assert masked == {"training_data": [{"connection": {"password": "***", "auth_url": "u"}}], "api_key": "***"}


def test_training_detail_ends_each_phase_at_the_next_and_the_last_at_the_training_s_end() -> None:
    phases = [
        {"phase": "queued", "since": "2026-11-23T02:00:00.000Z"},
        {"phase": "processing", "since": "2026-11-23T02:00:05.000Z"},
    ]
    training = a_training(phases=phases, finished_at="2026-11-23T02:01:00.000Z")
    detail = responses.training_detail(REF, "c", training, None).model_dump(mode="json")
    assert [one["until"] for one in detail["phases"]] == ["2026-11-23T02:00:05.000Z", "2026-11-23T02:01:00.000Z"]


def test_training_list_item_has_the_newest_value_of_each_metric_nan_included() -> None:
    def metric(iteration: int, value: object) -> dict[str, object]:
        return {
            "timestamp": "2026-11-23T02:00:00.000Z",
            "iteration": iteration,
            "phase": "train",
            "values": [{"name": "loss", "value": value}],
        }

    item = responses.training_list_item(REF, "c", a_training(metrics=[metric(2, 0.5), metric(1, 0.9)]))
    assert item.metrics == {"train/loss": 0.5}
    assert responses.training_list_item(REF, "c", a_training(metrics=[metric(1, "NaN")])).metrics == {
        "train/loss": "NaN"
    }


@pytest.mark.parametrize(("value", "text"), [("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")])
def test_curves_response_has_a_text_for_a_value_that_is_not_finite(value: str, text: str) -> None:
    curves = Curves(version="1", series=(Series(name="loss", total=1, points=((1.0, float(value), 0.0),)),))
    assert f'"points":[[1.0,"{text}",0.0]]' in responses.curves_response(curves).model_dump_json()


ATTEMPTS = [
    {"number": 1, "started_at": "2026-11-23T02:00:05.000Z", "ended_at": "2026-11-23T02:10:00.000Z", "code": "S301"},
    {"number": 2, "resumed_from": {"training_id": "training-1", "attempt": 1, "number": 7}},
]


def test_training_detail_has_attempts_and_checkpoints() -> None:
    checkpoint = {"attempt": 1, "number": 7, "stored_at": "2026-11-23T02:09:00.000Z", "files": 3, "bytes": 64}
    resumed_from = {"training_id": "training-1", "attempt": 1, "number": 7}
    status = {"attempt": 2, "attempts": ATTEMPTS, "checkpoint": checkpoint, "resumed_from": resumed_from}
    training = a_training("running", phase="recovering", **status)
    allowed = training.entity.model_copy(update={"recovery": RecoveryReport(attempts=3)})
    detail = responses.training_detail(REF, "c", training.model_copy(update={"entity": allowed}), None)
    shown = detail.model_dump(mode="json", exclude_none=True)
    assert (shown["phase"], shown["attempt"], shown["max_attempts"]) == ("recovering", 2, 3)
    assert shown["attempts"] == ATTEMPTS
    assert (shown["checkpoint"], shown["resumed_from"]) == (checkpoint, resumed_from)


def test_training_detail_of_a_service_without_attempts_has_none() -> None:
    detail = responses.training_detail(REF, "c", a_training(), None)
    assert (detail.attempt, detail.max_attempts, detail.attempts) == (None, None, [])
    assert (detail.checkpoint, detail.resumed_from, detail.waits_for) == (None, None, None)


def test_training_detail_has_the_training_that_it_waits_for_until_it_ends() -> None:
    def waits_for(state: str) -> str | None:
        return responses.training_detail(REF, "c", a_training(state, waits_for="training-1"), None).waits_for

    assert (waits_for("pending"), waits_for("canceled")) == ("training-1", None)


def test_tries_are_ordered_newest_first() -> None:
    first = a_training(submitted_at="2026-11-23T01:00:00.000Z")
    second = a_training(submitted_at="2026-11-23T02:00:00.000Z")
    assert [one.submitted_at.hour for one in responses.tries([first, second], None)] == [2, 1]
