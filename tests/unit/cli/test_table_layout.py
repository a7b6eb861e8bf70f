"""Widths of columns in a terminal that is too narrow."""

from __future__ import annotations

from rich.cells import cell_len

from airflow_dlaas.cli.table_layout import ColumnSize, cut_text, fit_widths

ID = ColumnSize.of_texts(["ID", "training-AbC_12-xY"], cut=False, whole=True)
NAME = ColumnSize.of_texts(["NAME", "a name that is much longer than it should be"], cut=True, whole=False)
TIME = ColumnSize.of_texts(["SUBMITTED", "2026-12-01 01:46:15"], cut=False, whole=False)


def test_columns_have_their_natural_widths_if_there_is_no_limit() -> None:
    assert fit_widths([ID, NAME, TIME], None) == [18, 44, 19]


def test_names_are_cut_first() -> None:
    assert fit_widths([ID, NAME, TIME], 60) == [18, 21, 19]


def test_times_continue_on_a_further_line_when_names_cannot_be_cut_more() -> None:
    assert fit_widths([ID, NAME, TIME], 42) == [18, 8, 14]


def test_ids_are_never_cut() -> None:
    assert fit_widths([ID, NAME, TIME], 10) == [18, 8, 10]


def test_cut_text_measures_cells() -> None:
    assert cut_text("short", 8, "…") == "short"
    assert cut_text("training", 7, "…") == "traini…"
    assert cell_len(cut_text("日本語の名前", 8, "…")) <= 8
    assert cut_text("training-abc", 8, "...") == "train..."
