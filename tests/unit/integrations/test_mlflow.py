"""A worker without MLflow."""

from __future__ import annotations

import sys

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.integrations.mlflow import require_mlflow


def test_a_worker_without_mlflow_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_mlflow()
    monkeypatch.setitem(sys.modules, "mlflow", None)  # Python's own way to say that there is none
    with pytest.raises(NotConfigured, match=r"airflow-dlaas\[mlflow\]"):
        require_mlflow()
