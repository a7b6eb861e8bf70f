"""Plots of curves for a terminal."""

from __future__ import annotations

from math import inf, nan

import pytest

from airflow_dlaas.cli.plot import PlotSize, draw_plot, short_number

SIZE = PlotSize(40, 8)


def test_plot_has_the_limits_of_both_axes_and_fits_into_its_size() -> None:
    lines = draw_plot("loss", [(epoch, 2.5 / epoch) for epoch in range(1, 11)], SIZE, "epoch")
    assert lines[0] == "loss"
    assert lines[1].startswith(" 2.5 ┤")
    assert lines[-2].startswith("0.25 ┤")
    assert lines[-1].split() == ["1", "10", "epoch"]
    assert len(lines) == 1 + SIZE.height - 1
    assert max(map(len, lines)) <= SIZE.width


def test_plot_falls_from_the_upper_left_to_the_lower_right() -> None:
    lines = draw_plot("loss", [(0, 1.0), (1, 0.0)], SIZE)
    first, last = lines[1].partition("┤")[2], lines[-2].partition("┤")[2]
    assert (first[0], last[0]) == ("⠉", " ")
    assert len(first) < len(last) == SIZE.width - 3


@pytest.mark.parametrize("missing", [nan, inf, -inf])
def test_plot_interrupts_the_curve_at_a_value_that_is_not_finite(missing: float) -> None:
    whole = draw_plot("loss", [(0, 1.0), (1, 1.0), (2, 1.0)], SIZE)
    lines = draw_plot("loss", [(0, 1.0), (1, missing), (2, 1.0)], SIZE)
    assert lines[-1] == "1 of 3 values are not finite and not drawn"
    assert len("".join(lines[1:-2]).replace(" ", "")) < len("".join(whole[1:-1]).replace(" ", ""))


@pytest.mark.parametrize(
    ("points", "lines"),
    [([], ["loss", "no values"]), ([(0, nan)], ["loss", "1 of 1 values are not finite and not drawn"])],
)
def test_plot_without_a_finite_value_states_why(points: list[tuple[float, float]], lines: list[str]) -> None:
    assert draw_plot("loss", points, SIZE) == lines


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e300, 1e-300])
def test_plot_of_equal_values_is_a_line_in_the_middle(value: float) -> None:
    lines = draw_plot("loss", [(0, value), (5, value)], PlotSize(40, 9))
    assert lines[4].strip().startswith(f"{short_number(value)} ┤")
    assert [number for number, line in enumerate(lines[1:-1], 1) if line.partition("┤")[2].strip()] == [4]


def test_plot_of_the_largest_numbers_and_in_the_smallest_terminal() -> None:
    lines = draw_plot("loss", [(0, 1.7e308), (1, -1.7e308)], PlotSize(1, 1))
    assert lines[1].startswith(" 1.7e+308 ┤")


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (0.12345, "0.1235"), (1e6, "1e+06"), (nan, "nan"), (-inf, "-inf"), (0.0, "0")]
)
def test_numbers_are_printed_as_people_read_them(value: float, text: str) -> None:
    assert short_number(value) == text
