from __future__ import annotations

import math
from datetime import datetime, timezone

import pytest

from airflow_dlaas.contract.metric_definition import MetricDefinition
from airflow_dlaas.service.metrics.regex_metrics import RegexMetricsParser, regex_errors

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def definitions(**regexes: str) -> tuple[MetricDefinition, ...]:
    return tuple(MetricDefinition(name=name, regex=regex) for name, regex in regexes.items())


def parsed(line: str, **regexes: str) -> list[tuple[int, str, float]]:
    return values_of(RegexMetricsParser(definitions(**regexes)), line)


def values_of(reader: RegexMetricsParser, *lines: str) -> list[tuple[int, str, float]]:
    return [
        (metric.iteration, value.name, value.value)
        for line in lines
        for metric in reader.parse_line(line, NOW)
        for value in metric.values
    ]


def test_line_gives_all_defined_metrics_and_no_other() -> None:
    line = "[7] gap 0.25 | hits 12 | loss= 3"
    assert parsed(line, gap=r"gap ([\d.]+)", hits=r"hits (\d+)") == [(7, "gap", 0.25), (7, "hits", 12.0)]


@pytest.mark.parametrize(
    ("line", "regex", "expected"),
    [
        ("at 40: 0.5", r"at (?P<step>\d+): ([\d.]+)", (40, 0.5)),
        ("0.5 at 40", r"(?P<value>[\d.]+) at (?P<step>\d+)", (40, 0.5)),
        ("step 9 x 0.5", r"x ([\d.]+)", (9, 0.5)),
        ("step 9 x 0.5 (40)", r"x ([\d.]+) \((?P<step>\d+)\)", (40, 0.5)),
        ("\x1b[32mx 0.5\x1b[0m", r"^x (\S+)$", (1, 0.5)),
        ("x 1e999", r"x (\S+)", (1, math.inf)),
        ("x 0.5 at 1e300", r"x (\S+) at (?P<step>\S+)", (1, 0.5)),
    ],
)
def test_step_comes_from_the_expression_or_from_the_line(line: str, regex: str, expected: tuple[int, float]) -> None:
    assert parsed(line, x=regex) == [(expected[0], "x", expected[1])]


def test_nan_is_a_value() -> None:
    [(_, _, value)] = parsed("x nan", x=r"x (\S+)")
    assert math.isnan(value)


@pytest.mark.parametrize("line", ["y 0.5", "x soon", "x "])
def test_match_without_a_number_is_ignored(line: str) -> None:
    assert parsed(line, x=r"x ?(\S*)") == []


def test_steps_are_counted_per_metric_without_another_source() -> None:
    reader = RegexMetricsParser(definitions(a=r"a (\d)", b=r"b (\d)"))
    assert values_of(reader, "a 1", "a 2", "b 3", "Epoch 5/9", "a 4") == [
        (1, "a", 1),
        (2, "a", 2),
        (1, "b", 3),
        (5, "a", 4),
    ]


def test_two_steps_in_one_line_give_two_metrics() -> None:
    assert parsed("a 1@3 b 2@4", a=r"a (\d)@(?P<step>\d)", b=r"b (\d)@(?P<step>\d)") == [(3, "a", 1), (4, "b", 2)]


def test_expression_with_nested_repetition_takes_linear_time() -> None:
    reader = RegexMetricsParser(definitions(x=r"(?:x+x+)+y(\d)"))
    assert values_of(reader, "x" * 4096) == []  # a backtracking engine would need exponential time


@pytest.mark.parametrize("regex", [r"(?=a)(b)", r"(?<!a)(b)", r"(a)\1", r"(a{1001})"])
def test_invalid_expression_is_reported_with_its_field(regex: str) -> None:
    [message] = regex_errors(definitions(fine=r"(\d)", other=regex)[:2])
    assert message.startswith("metric_definitions[1].regex: ")
