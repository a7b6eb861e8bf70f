"""The types of the public API, as users write them; mypy checks this file, and it is never run."""

from __future__ import annotations

from datetime import timedelta

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.outcome import raise_for_state
from airflow_dlaas.contract.training import Training, TrainingList
from airflow_dlaas.exceptions import EndedTraining, TrainingCanceled, TrainingEnded, TrainingFailed
from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.hooks.object_store import ObjectStoreHook
from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.operators.training import (
    DataSource,
    Mount,
    ResultsContainer,
    SubmitTrainingOperator,
    TrainModelOperator,
)
from airflow_dlaas.sensors.training import TrainingSensor
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.swift.store import SwiftStore


def calls_have_the_types_of_their_responses(client: Client) -> None:
    training: Training = client.send(calls.get_training("training-1"))
    trainings: TrainingList = client.send(calls.list_trainings(limit=10))
    nothing: None = client.send(calls.cancel_training(trainings.resources[0].id))
    completed: Training = raise_for_state(training)
    print(completed, nothing)


def exceptions_carry_the_training(training: Training) -> Training | None:
    try:
        return raise_for_state(training)
    except TrainingFailed as error:
        training_id: str = error.training.id
        print(training_id, error.training.state.is_final, error.training.status.message, error.reason)
        return error.training if isinstance(error.training, Training) else None


def an_exception_accepts_a_training(training: Training) -> TrainingEnded:
    ended: EndedTraining = training
    return TrainingCanceled(ended, "canceled")


def hooks_have_clients() -> None:
    client: Client = DlaasHook("mine").client
    store: SwiftStore = SwiftHook().store
    any_store: ObjectStore = ObjectStoreHook("lake").store
    print(client, store, any_store)


def operators_accept_the_parameters_of_the_readme() -> None:
    SubmitTrainingOperator(task_id="submit", definition="definition.json")
    TrainModelOperator(task_id="train", definition={}, timeout=timedelta(hours=1), deferrable=True, retries=2)
    data = [DataSource("digits", "lake", prefix="day", include="*.csv"), Mount("/data")]
    SubmitTrainingOperator(
        task_id="data", definition={}, training_data=data, training_results=ResultsContainer("models")
    )
    TrainingSensor(task_id="wait", training_id="training-1", deferrable=True, soft_fail=True)
