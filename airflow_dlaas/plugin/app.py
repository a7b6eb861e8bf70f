"""The plugin's routes: JSON for the pages, and the pages themselves. Who may see and do what is asked of Airflow."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Body, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.contract.curves import DEFAULT_POINTS, MAX_LOG_CHUNK_BYTES, MAX_POINTS, Curves, Series
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError, NotConfigured, NotFound
from airflow_dlaas.plugin import pages, responses
from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient, AirflowApiError
from airflow_dlaas.plugin.lookup import TRAINING_NOT_FOUND, LookupResult, TrainingLookup
from airflow_dlaas.plugin.xcoms import TaskInstanceRef

QueryText = Annotated[str, Query(min_length=1, max_length=500)]
ListLimit = Annotated[int, Query(ge=1, le=500)]


async def _airflow_api(request: Request, _user: GetUserDep) -> AirflowApiClient:
    return AirflowApiClient.from_request(request)


async def _task_instance_from_query(
    dag_id: QueryText, run_id: QueryText, task_id: QueryText, map_index: Annotated[str, Query()] = "-1"
) -> TaskInstanceRef:
    # Of a task that is not mapped, Airflow's UI leaves the placeholder as it is.
    index = int(map_index) if map_index.isascii() and map_index.isdecimal() and len(map_index) < 9 else -1
    return TaskInstanceRef(dag_id, run_id, task_id, index)


AirflowApiDep = Annotated[AirflowApiClient, Depends(_airflow_api)]
"""Airflow's API, with the eyes of the user who asks; without a user, the request is refused."""
TaskInstanceDep = Annotated[TaskInstanceRef, Depends(_task_instance_from_query)]

_require_edit_access = requires_access_dag("PUT", DagAccessEntity.TASK_INSTANCE)


def create_app() -> FastAPI:
    """Make the application that Airflow's API server mounts."""
    app = FastAPI(title="DLaaS", docs_url=None, redoc_url=None, openapi_url=None)
    finder = TrainingLookup()

    @app.exception_handler(AirflowApiError)
    async def airflow_api_error(_request: Request, error: AirflowApiError) -> Response:
        return JSONResponse({"detail": error.detail}, status_code=error.status)

    @app.exception_handler(DlaasError)
    async def dlaas_error(_request: Request, error: DlaasError) -> Response:
        return JSONResponse({"detail": str(error)}, status_code=404 if isinstance(error, NotFound) else 502)

    @app.get("/api/task")
    async def task(
        request: Request, user: GetUserDep, api: AirflowApiDep, ref: TaskInstanceDep, training_id: str | None = None
    ) -> Response:
        instance = await _get_task_instance(api, ref)
        found = await finder.find_for_task(api, ref, training_id)
        known, listing_trouble = await finder.list_tries(found) if found else ([], None)
        training = found.training if found else None
        shown = None
        if found and training:
            definition = (instance.get("rendered_fields") or {}).get("definition")
            shown = responses.training_detail(
                ref,
                found.conn_id,
                training,
                definition,
                source=found.source,
                tensorboard_url=await run_in_threadpool(_tensorboard_url, finder, found.conn_id),
            )
        return _json_response(
            {
                "ref": responses.task_instance_json(ref),
                "task": {name: instance.get(name) for name in ("state", "operator", "try_number", "max_tries")},
                "tries": responses.tries(known, found.current_id if found else None),
                "training": shown,
                "may_cancel": await _has_edit_access(request, user),
                "trouble": (found.service_error if found else None) or listing_trouble,
            }
        )

    @app.get("/api/curves")
    async def curves(
        api: AirflowApiDep,
        ref: TaskInstanceDep,
        training_id: QueryText,
        points: Annotated[int, Query(ge=2, le=MAX_POINTS)] = DEFAULT_POINTS,
        unless: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        found, training = await _require_training(finder, api, ref, training_id)
        if found.source == "task":
            return _json_response(
                responses.curves_json(found.curves or Curves(version="none", series=(), complete=True))
            )
        try:
            call = calls.get_curves(training_id, points=points, known_version=unless)
            told = await run_in_threadpool(finder.service_clients.send, found.conn_id, call)
        except NotFound:  # a service without our extension, which still tells the last values
            told = _curves_from_metrics(training)
        return _json_response(responses.curves_json(told))

    @app.get("/api/log")
    async def log(
        api: AirflowApiDep,
        ref: TaskInstanceDep,
        training_id: QueryText,
        offset: Annotated[int | None, Query(ge=0)] = None,
        limit: Annotated[int | None, Query(ge=1, le=MAX_LOG_CHUNK_BYTES)] = None,
        tail: Annotated[int | None, Query(ge=1, le=MAX_LOG_CHUNK_BYTES)] = None,
    ) -> Response:
        found, _ = await _require_training(finder, api, ref, training_id, from_service=True)
        call = calls.get_log(training_id, offset=offset, limit=limit, tail=tail)
        return _json_response((await run_in_threadpool(finder.service_clients.send, found.conn_id, call)).model_dump())

    @app.get("/api/log/search")
    async def search(
        api: AirflowApiDep,
        ref: TaskInstanceDep,
        training_id: QueryText,
        text: QueryText,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        found, _ = await _require_training(finder, api, ref, training_id, from_service=True)
        call = calls.search_log(training_id, text, offset=offset)
        return _json_response((await run_in_threadpool(finder.service_clients.send, found.conn_id, call)).model_dump())

    @app.post("/api/cancel", status_code=202, dependencies=[Depends(_require_edit_access)])
    async def cancel(
        request: Request, api: AirflowApiDep, dag_id: QueryText, body: Annotated[dict[str, Any], Body()]
    ) -> Response:
        # The permission was asked for the DAG in the address, so it is that DAG's training that is canceled.
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise HTTPException(415, "Send JSON")  # what no form of another site can
        try:
            ref = TaskInstanceRef(dag_id, str(body["run_id"]), str(body["task_id"]), int(body.get("map_index", -1)))
            training_id = str(body["training_id"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise HTTPException(400, "run_id, task_id, map_index and training_id are needed") from None
        found, _ = await _require_training(finder, api, ref, training_id, from_service=True)
        await run_in_threadpool(finder.service_clients.send, found.conn_id, calls.cancel_training(training_id))
        return _json_response({}, 202)

    @app.get("/api/run")
    async def run(api: AirflowApiDep, dag_id: QueryText, run_id: QueryText, limit: ListLimit = 200) -> Response:
        return _json_response(await finder.list_task_trainings(api, dag_id, run_id, limit))

    @app.get("/api/dag")
    async def dag(api: AirflowApiDep, dag_id: QueryText, limit: ListLimit = 200) -> Response:
        return _json_response(await finder.list_task_trainings(api, dag_id, "~", limit))

    @app.get("/api/trainings")
    async def trainings(api: AirflowApiDep, limit: ListLimit = 200, dag_id: str = "~") -> Response:
        return _json_response(await finder.list_task_trainings(api, dag_id or "~", "~", limit))

    pages.register(app)
    return app


async def _get_task_instance(api: AirflowApiClient, ref: TaskInstanceRef) -> dict[str, Any]:
    way = ("dags", ref.dag_id, "dagRuns", ref.run_id, "taskInstances", ref.task_id)
    found: dict[str, Any] = await api.get(*way, *((str(ref.map_index),) if ref.map_index >= 0 else ()))
    return found


async def _require_training(
    lookup: TrainingLookup, api: AirflowApiClient, ref: TaskInstanceRef, training_id: str, *, from_service: bool = False
) -> tuple[LookupResult, Training]:
    """Find *training_id* among the trainings of a task; with *from_service*, at its service and not in the task's memory."""
    found = await lookup.find_for_task(api, ref, training_id)
    if found is None or found.training is None or (from_service and found.source == "task"):
        raise (
            AirflowApiError(502, found.service_error or "")
            if found is not None and found.is_unavailable
            else AirflowApiError(404, TRAINING_NOT_FOUND)
        )
    return found, found.training


async def _has_edit_access(request: Request, user: Any) -> bool:
    """Whether *user* may edit the DAG's task instances: the same question that `cancel` is let through by."""
    try:
        await run_in_threadpool(_require_edit_access, request, user)
    except HTTPException:
        return False
    return True


def _tensorboard_url(lookup: TrainingLookup, conn_id: str) -> str | None:
    try:
        return lookup.service_clients.get_connection(conn_id).tensorboard_url
    except NotConfigured:  # said already, where the service is asked
        return None


def _curves_from_metrics(training: Training) -> Curves:
    series = [
        Series(
            name=value.name,
            phase=metric.phase,
            total=1,
            points=((float(metric.iteration), value.value, metric.timestamp.timestamp()),),
        )
        for metric in training.status.metrics
        for value in metric.values
    ]
    newest = max((metric.timestamp.timestamp() for metric in training.status.metrics), default=0.0)
    return Curves(version=str(newest), series=tuple(series), complete=training.state.is_final)


def _json_response(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status_code=status, headers={"Cache-Control": "no-store"})
