"""Submitting a training from a task: once, however often the task is tried."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.hooks.definition import join
from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.hooks.swift import SwiftHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training


def submit_from_task(
    definition: Mapping[str, Any] | str, location: str | None, *, context: Context, dlaas_conn_id: str
) -> Training:
    """Submit *definition*, its connections joined to it, for the task that runs in *context*."""
    whole = join(definition, lambda conn_id: SwiftHook(conn_id).access, location=location)
    return submit(
        DlaasHook(dlaas_conn_id).client,
        whole,
        key=lambda attempt: task_key(context, attempt),
        try_number=context["ti"].try_number,
    )


def submit(client: Client, definition: TrainingDefinition, *, key: Callable[[int], str], try_number: int) -> Training:
    """
    Submit *definition* under a key, so that a try after a crash finds the training that an earlier try has submitted.

    A training of an earlier try that has failed or was canceled is not found again, since the retry is there to train
    anew: there are as many keys as there were tries.
    """
    from airflow_dlaas.client import calls

    def ask(attempt: int) -> Training:
        return client.send(calls.create_training(tagged(definition, key(attempt)), idempotency_key=key(attempt)))

    training = ask(0)
    for attempt in range(1, try_number):
        if not _over_and_not_well(training):
            break
        training = ask(attempt)
    return training


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
