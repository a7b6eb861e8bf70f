"""An Airflow of a few lines: its public REST API over plain objects, with users who may read some DAGs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, HTTPException, Request

from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.xcoms import TaskInstanceRef


@dataclass
class SmallAirflow:
    """*xcoms* by task instance and key; *readable* says which DAGs a bearer may read."""

    xcoms: dict[tuple[TaskInstanceRef, str], Any] = field(default_factory=dict)
    readable: dict[str, set[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def seen_by(self, user: str) -> AirflowApiClient:
        """The API with the eyes of *user*."""
        return AirflowApiClient(self.app(), "", ((b"authorization", f"Bearer {user}".encode()),))

    def app(self) -> FastAPI:
        """Airflow's application."""
        app = FastAPI()

        def dags(request: Request) -> set[str]:
            user = request.headers.get("authorization", "").removeprefix("Bearer ")
            if user not in self.readable:
                raise HTTPException(401, "Not authenticated")
            return self.readable[user]

        way = "/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries"

        @app.get(way)
        def entries(request: Request, dag_id: str, run_id: str, xcom_key: str, limit: int, offset: int) -> Any:
            allowed = dags(request)
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

        @app.get(way + "/{key}")
        def entry(request: Request, dag_id: str, run_id: str, task_id: str, key: str, map_index: int = -1) -> Any:
            self.asked.append(key)
            if dag_id not in dags(request):
                raise HTTPException(403, "Forbidden")
            value = self.xcoms.get((TaskInstanceRef(dag_id, run_id, task_id, map_index), key))
            if value is None:
                raise HTTPException(404, f"XCom entry with key: `{key}` not found")
            return {"key": key, "value": value}

        return app


def vars_of(ref: TaskInstanceRef) -> dict[str, Any]:
    return {"dag_id": ref.dag_id, "run_id": ref.run_id, "task_id": ref.task_id, "map_index": ref.map_index}
