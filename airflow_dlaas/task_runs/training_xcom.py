"""
The XCom that names a task's training, written and read from the triggerer.

Each question to Airflow blocks a thread of its own: the event loop's pool has few, and many triggers may end at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY


async def push_training_xcom(ti: Any, key: str, conn_id: str, training_id: str) -> None:
    """Show Airflow's UI which training the task instance *ti* is about; *ti* is None outside of a triggerer."""
    from airflow.sdk.execution_time.xcom import XCom

    from airflow_dlaas._util.threads import run_in_thread

    if ti is not None:
        mark = {"key": key, "connection": conn_id, "id": training_id}
        await run_in_thread(partial(XCom.set, TRAINING_XCOM_KEY, mark, **_xcom_kwargs(ti)))


async def is_waiting_for_training(ti: Any, key: str) -> bool:
    """
    Whether the task instance *ti* is deferred and waits for the training under *key*.

    A new try, and one after a clear, has set another mark or none.

    :raises AirflowRuntimeError: Airflow could not answer.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from airflow.sdk.execution_time.xcom import XCom

    from airflow_dlaas._util.threads import run_in_thread

    if ti is None:
        return False
    one = {"dag_id": ti.dag_id, "task_ids": [ti.task_id], "run_ids": [ti.run_id], "map_index": ti.map_index}
    states = await run_in_thread(partial(RuntimeTaskInstance.get_task_states, **one))
    if "deferred" not in (states.get(ti.run_id) or {}).values():
        return False
    mark = await run_in_thread(partial(XCom.get_one, key=TRAINING_XCOM_KEY, **_xcom_kwargs(ti)))
    return isinstance(mark, Mapping) and mark.get("key") == key


def _xcom_kwargs(ti: Any) -> dict[str, Any]:
    return {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
