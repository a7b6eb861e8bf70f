"""What users write, as types; never run, checked by mypy."""

from __future__ import annotations

from datetime import timedelta

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.outcome import raise_for_state
from airflow_dlaas.contract.training import Training, TrainingList
from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.operators.training import SubmitTrainingOperator, TrainModelOperator
from airflow_dlaas.sensors.training import TrainingSensor
from airflow_dlaas.storage.swift.store import SwiftStore


def a_call_gives_what_it_promises(client: Client) -> None:
    training: Training = client.send(calls.get_training("training-1"))
    trainings: TrainingList = client.send(calls.list_trainings(limit=10))
    nothing: None = client.send(calls.cancel_training(trainings.resources[0].id))
    judged: Training = raise_for_state(training)
    print(judged, nothing)


def hooks_give_clients() -> None:
    client: Client = DlaasHook("mine").client
    store: SwiftStore = SwiftHook().store
    print(client, store)


def operators_take_what_the_readme_shows() -> None:
    SubmitTrainingOperator(task_id="submit", definition="definition.json")
    TrainModelOperator(task_id="train", definition={}, timeout=timedelta(hours=1), deferrable=True, retries=2)
    TrainingSensor(task_id="wait", training_id="training-1", deferrable=True, soft_fail=True)
