"""The page that compares tools: its numbers of lines are those of its code, and our own code is a DAG."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from airflow_dlaas.operators.training import TrainModelOperator

PAGE = (Path(__file__).parents[3] / "docs" / "comparison.md").read_text()

BLOCKS = dict(re.findall(r"<!-- lines: ([\w-]+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))


def row(begin: str) -> list[str]:
    """Return the cells of the row of the page's first table whose first cell is *begin*, without that cell."""
    rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in PAGE.splitlines() if line.startswith("|"))
    (found,) = [cells[1:] for cells in rows if cells[0] == begin]
    return found


def count_lines(code: str) -> int:
    """Count the lines that are neither blank nor an import."""
    return len([line for line in code.splitlines() if line.strip() and not re.match(r"\s*(from \S+ )?import ", line)])


def test_lines_of_each_dag_are_those_of_its_code() -> None:
    assert {name: str(count_lines(code)) for name, code in BLOCKS.items()} == dict(
        zip(row(""), row("lines of the DAG"), strict=True)
    )
    for code in BLOCKS.values():
        ast.parse(code)


def test_our_code_is_a_dag_with_a_mapped_training() -> None:
    names: dict[str, Any] = {}
    exec(compile(BLOCKS["airflow-dlaas"], "dag.py", "exec"), names)  # noqa: S102 - the page's own code
    train = names["train"]
    assert train.operator_class is TrainModelOperator
    assert {one.task_id for one in train.dag.tasks} == {"code", "version", "train", "best", "fetch"}
