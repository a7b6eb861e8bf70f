"""``python -m airflow_dlaas.cli``: the console script, run by a given interpreter."""

from __future__ import annotations

from airflow_dlaas.cli import main

main()
