"""
The XCom with the key and the id of a task's training, written and read from the triggerer.

Each request to Airflow blocks a thread of its own: the thread pool of the event loop is small, and many triggers may
end at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY


async def push_training_xcom(ti: Any, key: str, conn_id: str, training_id: str) -> None:
    """Write the training's id to the XCom of *ti*, for the pages in Airflow's UI; *ti* is None outside a triggerer."""
    from airflow.sdk.execution_time.xcom import XCom

    from airflow_dlaas._util.threads import run_in_thread

    if ti is not None:
        value = {"key": key, "connection": conn_id, "id": training_id}
        await run_in_thread(partial(XCom.set, TRAINING_XCOM_KEY, value, **_xcom_kwargs(ti)))


async def is_waiting_for_training(ti: Any, key: str) -> bool:
    """
    Return whether the task instance *ti* is deferred and waits for the training with *key*.

    A new try, and a try after a clear, has written another key or none.

    :raises AirflowRuntimeError: Airflow's API returned an error.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from airflow.sdk.execution_time.xcom import XCom

    from airflow_dlaas._util.threads import run_in_thread

    if ti is None:
        return False
    task = {"dag_id": ti.dag_id, "task_ids": [ti.task_id], "run_ids": [ti.run_id], "map_index": ti.map_index}
    states = await run_in_thread(partial(RuntimeTaskInstance.get_task_states, **task))
    if "deferred" not in (states.get(ti.run_id) or {}).values():
        return False
    value = await run_in_thread(partial(XCom.get_one, key=TRAINING_XCOM_KEY, **_xcom_kwargs(ti)))
    return isinstance(value, Mapping) and value.get("key") == key


def _xcom_kwargs(ti: Any) -> dict[str, Any]:
    return {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
