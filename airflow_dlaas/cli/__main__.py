"""``python -m airflow_dlaas.cli``: the console script of a certain interpreter."""

from __future__ import annotations

from airflow_dlaas.cli import main

main()
