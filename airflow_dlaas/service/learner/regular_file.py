"""Opening files that a command may have replaced, as `airflow_dlaas.service.regular_file` does it."""

from __future__ import annotations

from airflow_dlaas.service.regular_file import open_regular

__all__ = ["open_regular"]
