"""A worker without MLflow."""

from __future__ import annotations

import sys

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.integrations.mlflow import require_mlflow


def test_the_error_on_a_worker_without_mlflow_has_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_mlflow()
    monkeypatch.setitem(sys.modules, "mlflow", None)  # marks the module as missing
    with pytest.raises(NotConfigured, match=r"airflow-dlaas\[mlflow\]"):
        require_mlflow()
