"""Training runs, under the API's word for them: models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.training import CANCEL_PATCH, PatchOperation, UnreadableTraining
from airflow_dlaas.exceptions import InvalidRequest, NotFound, UpgradeRequired
from airflow_dlaas.service.api import training_report
from airflow_dlaas.service.api.dependencies import ApiDeps, Deps, Owner, base_url
from airflow_dlaas.service.api.openapi import ReportedChanges, ReportedPage, ReportedTraining
from airflow_dlaas.service.api.request_bodies import (
    ID_PATTERN,
    JsonBody,
    PathId,
    json_response,
    parse_body,
    request_schema,
)
from airflow_dlaas.service.api.submit import parse_idempotency_key, submit
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.store.base import TrainingRecord

MAX_WAIT = 30.0
"""Seconds a long poll may last; proxies cut what is silent for a minute."""
CHANGES_POLL_INTERVAL = 0.2
"""Seconds between two looks at the store's revision."""
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000

router = APIRouter(prefix=training_report.MODELS_PATH, tags=["training runs"])

PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)]


@router.post("", status_code=202, response_model=ReportedTraining, openapi_extra=request_schema(TrainingDefinition))
def create(
    request: Request,
    deps: Deps,
    owner: Owner,
    document: JsonBody,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> Response:
    """Submit a training definition. With an `Idempotency-Key` used before, the training it created is the answer."""
    bases = (base_url(request, deps), str(request.base_url))
    record, _ = submit(deps, owner, document, idempotency_key=parse_idempotency_key(idempotency_key), base_urls=bases)
    return json_response(training_report.report_training(deps, record), 202)


@router.get("", response_model=ReportedPage | ReportedChanges)
async def list_all(
    request: Request,
    deps: Deps,
    owner: Owner,
    limit: PageSize = DEFAULT_PAGE_SIZE,
    start: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
    after: Annotated[str | None, Query(pattern=r"^([0-9]{0,18}|now)$")] = None,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT, allow_inf_nan=False)] = 0,
) -> Response:
    """
    List training runs, newest first; `next.url` goes on from there.

    With *after* (ours) it tells instead what changed since that cursor, oldest change first, and waits up to *wait*
    seconds for a change to come. `0` or an empty cursor is before everything; `now` gives the cursor to begin with
    and no trainings. Places in the queue move on without being reported as changes; so do metrics.
    """
    if after is None:
        return json_response(await run_in_threadpool(_list_page, deps, owner, limit, start))
    if after == "now":
        return json_response({"resources": [], "cursor": str(await run_in_threadpool(deps.store.current_revision))})
    records, cursor = await _wait_for_changes(request, deps, owner, after=int(after or 0), limit=limit, wait=wait)
    return json_response(
        {"resources": await run_in_threadpool(training_report.report_trainings, deps, records), "cursor": str(cursor)}
    )


@router.get("/{training_id}", response_model=ReportedTraining | UnreadableTraining)
def get(deps: Deps, owner: Owner, training_id: PathId) -> Response:
    """Tell how a training is doing."""
    return json_response(training_report.report_training(deps, deps.store.get_training(owner, training_id)))


@router.get("/{training_id}/monitor", include_in_schema=False)
def require_websocket(deps: Deps, owner: Owner, training_id: PathId) -> Response:
    """Refuse a request that asks for no WebSocket; `airflow_dlaas.service.api.log_stream` answers one that does."""
    deps.store.get_training(owner, training_id)
    raise UpgradeRequired("The monitor is a WebSocket: send Connection: Upgrade and Upgrade: websocket")


@router.patch(
    "/{training_id}",
    status_code=204,
    response_class=Response,
    openapi_extra=request_schema(PatchOperation, as_list=True),
)
def cancel(deps: Deps, owner: Owner, training_id: PathId, document: JsonBody) -> Response:
    """Cancel a training: the one change there is. One that has ended stays as it ended, and that is no error."""
    deps.store.get_training(owner, training_id)
    _require_cancel(document)
    deps.store.request_cancel(owner, training_id, deps.clock())
    deps.wake_dispatcher()
    return Response(status_code=204)


@router.put("/{training_id}/acknowledgement", status_code=204, response_class=Response)
def acknowledge(deps: Deps, owner: Owner, training_id: PathId) -> Response:
    """
    Record that the client has taken the result of a completed training (ours); `acknowledged_at` shows when.

    Safe to repeat: the first time stays. A training in any other state is a conflict. A body is ignored.
    """
    deps.store.acknowledge(owner, training_id, deps.clock())
    return Response(status_code=204)


@router.delete("/{training_id}", status_code=204, response_class=Response)
def delete(deps: Deps, owner: Owner, training_id: PathId) -> Response:
    """Forget a training that has ended, and its log here. What it stored stays in the object store."""
    if deps.store.get_training(owner, training_id).state.is_final:
        # First: a service that is killed in between can be asked once more, and no folder stays that is nobody's.
        JobDirectory(deps.jobs_dir / training_id).delete()
    deps.store.delete_training(owner, training_id)
    return Response(status_code=204)


def _list_page(deps: ApiDeps, owner: str, limit: int, start: str | None) -> dict[str, Any]:
    try:
        found = deps.store.list_trainings(owner, limit=limit + 1, before=start)
    except NotFound:
        raise InvalidRequest(
            f"start: training {start} is gone; list from the beginning",
            code="invalid_query_parameter_value",
            target="start",
        ) from None
    shown = found[:limit]
    page: dict[str, Any] = {"resources": training_report.report_trainings(deps, shown)}
    if len(found) > limit:
        page["next"] = {"url": f"{training_report.MODELS_PATH}?limit={limit}&start={shown[-1].id}"}
    return page


async def _wait_for_changes(
    request: Request, deps: ApiDeps, owner: str, *, after: int, limit: int, wait: float
) -> tuple[Sequence[TrainingRecord], int]:
    """Look for changes again and again without holding a thread in between."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    looked_at = -1
    while True:
        revision = await run_in_threadpool(deps.store.current_revision)
        if after > revision:
            after = 0  # a cursor of another database: this one has all to tell
        if revision != looked_at:
            found = await run_in_threadpool(deps.store.list_changes, owner, after=after, limit=limit)
            if found:
                return found, found[-1].revision
            looked_at = revision
        left = until - loop.time()
        if left <= 0 or deps.is_stopping() or await request.is_disconnected():
            # Nothing of this owner's lies between *after* and what was looked at.
            return (), looked_at
        await asyncio.sleep(min(CHANGES_POLL_INTERVAL, left))


def _require_cancel(document: Any) -> None:
    if isinstance(document, list) and len(document) > 1:
        raise InvalidRequest(f"Send one operation, not {len(document)}", code="patch_multiple_ops")
    wanted = CANCEL_PATCH[0]
    supported = f"The only operation is {wanted.model_dump_json()}, alone in a list"
    if not isinstance(document, list) or not document:
        raise InvalidRequest(supported, code="patch_not_supported")
    if parse_body(PatchOperation, document[0]) != wanted:
        raise InvalidRequest(supported, code="patch_not_supported")
