from __future__ import annotations

import pytest

from airflow_dlaas.contract.curves import Curves, Series
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


def test_tries_are_ordered_newest_first() -> None:
    first = a_training(submitted_at="2026-11-23T01:00:00.000Z")
    second = a_training(submitted_at="2026-11-23T02:00:00.000Z")
    assert [one.submitted_at.hour for one in responses.tries([first, second], None)] == [2, 1]
