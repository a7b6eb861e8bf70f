"""The rules by which results are kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_dlaas.exceptions import InvalidArgument
from airflow_dlaas.pruning.rules import MetricMode, PruneRules, parse_age


def test_rules_that_keep_nothing_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least one of keep"):
        PruneRules(name="mnist")


def test_a_number_of_results_is_one_or_more() -> None:
    with pytest.raises(InvalidArgument, match="keep: must be 1 or more"):
        PruneRules(keep=0)


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        ("loss", MetricMode.MIN),
        ("validation/val_loss", MetricMode.MIN),
        ("Top-1 Error", MetricMode.MIN),
        ("validation/accuracy", MetricMode.MAX),
        ("mAP", MetricMode.MAX),
    ],
)
def test_the_name_of_a_metric_shows_which_value_is_the_best(metric: str, mode: MetricMode) -> None:
    assert PruneRules(keep_best=metric).best_mode is mode


@pytest.mark.parametrize("metric", ["reward", "glossary", "accuracy_loss"])
def test_a_metric_of_an_unknown_kind_needs_the_mode(metric: str) -> None:
    with pytest.raises(InvalidArgument, match="mode: must be given"):
        PruneRules(keep_best=metric)
    assert PruneRules(keep_best=metric, mode=MetricMode.MAX).best_mode is MetricMode.MAX


def test_a_name_is_exact_unless_it_is_a_pattern() -> None:
    assert PruneRules(keep=1).matches_name("mnist-small")
    assert PruneRules(keep=1, name="mnist-*").matches_name("mnist-small")
    assert not PruneRules(keep=1, name="mnist").matches_name("mnist-small")


@pytest.mark.parametrize(
    ("text", "age"), [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("8w", timedelta(weeks=8))]
)
def test_an_age_has_a_unit(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "30 days"])
def test_a_text_that_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="such as 30d"):
        parse_age(text)
