"""Logging to MLflow without an MLflow: it is not installed, or its server does not answer."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.integrations.mlflow import log_to_mlflow, require_mlflow
from tests.builders import a_training


def test_the_error_on_a_worker_without_mlflow_has_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_mlflow()
    monkeypatch.setitem(sys.modules, "mlflow", None)  # marks the module as missing
    with pytest.raises(NotConfigured, match=r"airflow-dlaas\[mlflow\]"):
        require_mlflow()


def test_an_error_of_mlflow_is_logged_without_the_credentials_of_its_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class MlflowError(Exception):
        """Stands for MlflowException."""

    class UnreachableClient:
        def get_experiment_by_name(self, _: str) -> None:
            raise MlflowError("API request to https://ann:p@ss@mlflow.example.org/api failed: no answer from mlflow")

    modules = {"mlflow": {}, "mlflow.exceptions": {"MlflowException": MlflowError}}
    for name, members in (modules | {"mlflow.tracking": {"MlflowClient": UnreachableClient}}).items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**members))  # type: ignore[arg-type]
    log_to_mlflow(a_training("completed"), None, experiment="e", tags={}, logger=logging.getLogger(__name__))
    [message] = caplog.messages
    assert message.endswith("API request to https://***@mlflow.example.org/api failed: no answer from mlflow")
