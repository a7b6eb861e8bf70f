"""Tests of the output of the display."""

from __future__ import annotations

import io

from rich.console import Console

from airflow_dlaas.demo.display import Display, task_table
from airflow_dlaas.demo.view_model import DemoView, StartupStep, TaskRow


def test_long_note_does_not_hide_the_state_on_a_narrow_terminal():
    console = Console(file=(out := io.StringIO()), width=80, force_terminal=True, color_system=None)
    with Display(console) as display:
        display.show(
            DemoView((StartupStep("Airflow", "done"),), (TaskRow("create_experiment", "deferred", 12.34, "x" * 300),))
        )
    assert "create_experiment" in out.getvalue()
    assert "deferred" in out.getvalue()
    assert "12.3" in out.getvalue()


def test_without_a_terminal_each_change_is_a_line_without_markup():
    console = Console(file=(out := io.StringIO()), width=20)
    with Display(console) as display:
        display.show(DemoView(rows=(TaskRow("a", "failed", 1, "[red]no[/red] end of this line, however narrow"),)))
    assert out.getvalue() == "a: failed (1.0 s): [red]no[/red] end of this line, however narrow\n"


def test_final_table_has_no_notes():
    console = Console(file=(out := io.StringIO()), width=80)
    console.print(task_table((TaskRow("a", "success", 1, "a note"),)))
    assert "success" in out.getvalue()
    assert "a note" not in out.getvalue()
