from __future__ import annotations

import json

from airflow_dlaas.contract.curves import Curves, Series
from airflow_dlaas.plugin import responses
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from tests.builders import a_training

REF = TaskInstanceRef("d", "r", "t")


def test_whatever_goes_by_a_secret_s_name_is_hidden_at_any_depth() -> None:
    shown = responses.mask_secrets(
        {"training_data": [{"connection": {"password": "p", "auth_url": "u"}}], "api_key": "k"}
    )
    assert shown == {"training_data": [{"connection": {"password": "***", "auth_url": "u"}}], "api_key": "***"}


def test_each_phase_ends_where_the_next_begins_and_the_last_with_the_training() -> None:
    phases = [
        {"phase": "queued", "since": "2026-11-23T02:00:00.000Z"},
        {"phase": "processing", "since": "2026-11-23T02:00:05.000Z"},
    ]
    shown = responses.training_detail(REF, "c", a_training(phases=phases, finished_at="2026-11-23T02:01:00.000Z"), None)
    assert [one["until"] for one in shown["phases"]] == ["2026-11-23T02:00:05.000Z", "2026-11-23T02:01:00.000Z"]


def test_of_several_values_of_a_metric_the_newest_is_shown_and_no_nan_reaches_json() -> None:
    def metric(iteration: int, value: object) -> dict[str, object]:
        moment = "2026-11-23T02:00:00.000Z"
        return {
            "timestamp": moment,
            "iteration": iteration,
            "phase": "train",
            "values": [{"name": "loss", "value": value}],
        }

    shown = responses.training_row(REF, "c", a_training(metrics=[metric(2, 0.5), metric(1, 0.9)]))
    assert shown["metrics"] == {"train/loss": 0.5}
    assert responses.training_row(REF, "c", a_training(metrics=[metric(1, "NaN")]))["metrics"] == {}


def test_a_point_that_is_no_number_is_null() -> None:
    curves = Curves(version="1", series=(Series(name="loss", total=1, points=((1.0, float("nan"), 0.0),)),))
    assert json.dumps(responses.curves_json(curves), allow_nan=False).count("null") == 1


def test_the_tries_of_a_task_stand_newest_first() -> None:
    first = a_training(submitted_at="2026-11-23T01:00:00.000Z")
    second = a_training(submitted_at="2026-11-23T02:00:00.000Z")
    assert [one["submitted_at"][11:13] for one in responses.tries([first, second], None)] == ["02", "01"]
