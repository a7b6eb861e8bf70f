"""Submitting a training from a task: once, however often the task is tried."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.hooks.definition import join
from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.hooks.swift import SwiftHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training


def submit(
    definition: Mapping[str, Any] | str, location: str | None, *, context: Context, dlaas_conn_id: str
) -> Training:
    """
    Submit *definition* for the task that runs in *context*.

    A try after a crash finds the training that an earlier try has submitted. A training of an earlier try that has
    failed or was canceled is not found again: the retry is there to train anew.
    """
    from airflow_dlaas.client import calls

    whole = join(definition, lambda conn_id: SwiftHook(conn_id).access, location=location)
    client = DlaasHook(dlaas_conn_id).client
    for attempt in count():
        key = task_key(context, attempt)
        training = client.send(calls.create_training(tagged(whole, key), idempotency_key=key))
        if attempt >= context["ti"].try_number or not _over_and_not_well(training):
            return training
    raise AssertionError  # count() does not end


def task_key(context: Context, attempt: int) -> str:
    """
    Name what this task wants trained: the same on every retry, another one after a clear.

    A clear raises the task instance's `max_tries`, a retry does not. The UI's address keeps apart two Airflows that
    run DAGs of the same names against one service.
    """
    from airflow_dlaas.hooks.compat import conf

    ti = context["ti"]
    parts = (
        conf.get("api", "base_url", fallback=""),
        ti.dag_id,
        ti.run_id,
        ti.task_id,
        str(ti.map_index),
        str(ti.max_tries),
        str(attempt),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def tagged(definition: TrainingDefinition, key: str) -> TrainingDefinition:
    """Put *key* into the description, which nobody interprets: so any v3 server can be asked for it again."""
    model = definition.model_definition
    description = f"{model.description} [airflow-dlaas {key}]".strip()
    return definition.model_copy(update={"model_definition": model.model_copy(update={"description": description})})


def _over_and_not_well(training: Training) -> bool:
    return training.state.final and training.state is not TrainingState.COMPLETED
