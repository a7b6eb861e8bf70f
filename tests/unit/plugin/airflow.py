"""A fake Airflow: the XCom part of its public REST API over plain objects, with users who may read some DAGs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, HTTPException, Request

from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.xcoms import TaskInstanceRef


@dataclass
class FakeAirflow:
    """Airflow with *xcoms* by task instance and key, and *readable* DAGs by user; a bearer token is the user's name."""

    xcoms: dict[tuple[TaskInstanceRef, str], Any] = field(default_factory=dict)
    readable: dict[str, set[str]] = field(default_factory=dict)
    read_keys: list[str] = field(default_factory=list)
    """The key of each XCom whose value was requested."""

    rendered: dict[TaskInstanceRef, dict[str, Any]] = field(default_factory=dict)
    """The rendered template fields of task instances."""

    lists: int = 0
    """How many lists of XComs were requested."""

    def api_of(self, user: str) -> AirflowApiClient:
        """Return the API with the permissions of *user*."""
        return AirflowApiClient(self.app(), "", user, ((b"authorization", f"Bearer {user}".encode()),))

    def app(self) -> FastAPI:
        """Return Airflow's application."""
        app = FastAPI()

        def readable_dags(request: Request) -> set[str]:
            user = request.headers.get("authorization", "").removeprefix("Bearer ")
            if user not in self.readable:
                raise HTTPException(401, "Not authenticated")
            return self.readable[user]

        task_path = "/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        path = task_path + "/xcomEntries"

        @app.get(task_path)
        def task_instance(request: Request, dag_id: str, run_id: str, task_id: str) -> Any:
            if dag_id not in readable_dags(request):
                raise HTTPException(403, "Forbidden")
            return {
                "state": "deferred",
                "operator": "TrainModelOperator",
                "try_number": 1,
                "max_tries": 0,
                "rendered_fields": self.rendered.get(TaskInstanceRef(dag_id, run_id, task_id), {}),
            }

        @app.get(path)
        def entries(request: Request, dag_id: str, run_id: str, xcom_key: str, limit: int, offset: int) -> Any:
            self.lists += 1
            allowed = readable_dags(request)
            if dag_id not in {"~", *allowed}:
                raise HTTPException(403, "Forbidden")
            found = [
                {**vars_of(ref), "key": key, "timestamp": "2026-01-01T00:00:00Z"}
                for (ref, key) in self.xcoms
                if key == xcom_key
                and ref.dag_id in allowed
                and dag_id in ("~", ref.dag_id)
                and run_id in ("~", ref.run_id)
            ]
            return {"xcom_entries": found[offset : offset + limit], "total_entries": len(found)}

        @app.get("/api/v2/dags")
        def dags(request: Request, limit: int, offset: int) -> Any:
            found = sorted(readable_dags(request))
            page = [{"dag_id": dag_id} for dag_id in found[offset : offset + limit]]
            return {"dags": page, "total_entries": len(found)}

        @app.get(path + "/{key}")
        def entry(request: Request, dag_id: str, run_id: str, task_id: str, key: str, map_index: int = -1) -> Any:
            self.read_keys.append(key)
            if dag_id not in readable_dags(request):
                raise HTTPException(403, "Forbidden")
            value = self.xcoms.get((TaskInstanceRef(dag_id, run_id, task_id, map_index), key))
            if value is None:
                raise HTTPException(404, f"XCom entry with key: `{key}` not found")
            return {"key": key, "value": value}

        return app


def vars_of(ref: TaskInstanceRef) -> dict[str, Any]:
    return {"dag_id": ref.dag_id, "run_id": ref.run_id, "task_id": ref.task_id, "map_index": ref.map_index}
