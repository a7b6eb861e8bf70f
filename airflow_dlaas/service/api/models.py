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
from airflow_dlaas.service.api.dependencies import Owner, Parts, PartsOf, base_url
from airflow_dlaas.service.api.openapi import ReportedChanges, ReportedPage, ReportedTraining
from airflow_dlaas.service.api.request_bodies import ID, Document, Id, reply, takes, understand
from airflow_dlaas.service.api.submit import read_key, submit
from airflow_dlaas.service.job_files import remove_folder
from airflow_dlaas.service.store.base import TrainingRecord

LONGEST_WAIT = 30.0
"""Seconds a long poll may last; proxies cut what is silent for a minute."""
GLANCE = 0.2
"""Seconds between two looks at the store's revision."""
PAGE = 100
LONGEST_PAGE = 1000

router = APIRouter(prefix=training_report.PATH, tags=["training runs"])

Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE)]


@router.post("", status_code=202, response_model=ReportedTraining, openapi_extra=takes(TrainingDefinition))
def create(
    request: Request,
    parts: PartsOf,
    owner: Owner,
    document: Document,
    key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> Response:
    """Submit a training definition. With an `Idempotency-Key` used before, the training it created is the answer."""
    bases = (base_url(request, parts), str(request.base_url))
    record, _ = submit(parts, owner, document, key=read_key(key), bases=bases)
    return reply(training_report.one(parts, record), 202)


@router.get("", response_model=ReportedPage | ReportedChanges)
async def list_all(
    request: Request,
    parts: PartsOf,
    owner: Owner,
    limit: Limit = PAGE,
    start: Annotated[str | None, Query(pattern=ID)] = None,
    after: Annotated[str | None, Query(pattern=r"^([0-9]{0,18}|now)$")] = None,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, allow_inf_nan=False)] = 0,
) -> Response:
    """
    List training runs, newest first; `next.url` goes on from there.

    With *after* (ours) it tells instead what changed since that cursor, oldest change first, and waits up to *wait*
    seconds for a change to come. `0` or an empty cursor is before everything; `now` gives the cursor to begin with
    and no trainings. Places in the queue move on without being reported as changes; so do metrics.
    """
    if after is None:
        return reply(await run_in_threadpool(_page, parts, owner, limit, start))
    if after == "now":
        return reply({"resources": [], "cursor": str(await run_in_threadpool(parts.store.revision))})
    records, cursor = await _wait_for_changes(request, parts, owner, after=int(after or 0), limit=limit, wait=wait)
    return reply({"resources": await run_in_threadpool(training_report.many, parts, records), "cursor": str(cursor)})


@router.get("/{training_id}", response_model=ReportedTraining | UnreadableTraining)
def get(parts: PartsOf, owner: Owner, training_id: Id) -> Response:
    """Tell how a training is doing."""
    return reply(training_report.one(parts, parts.store.training(owner, training_id)))


@router.get("/{training_id}/monitor", include_in_schema=False)
def monitor(parts: PartsOf, owner: Owner, training_id: Id) -> Response:
    """Refuse a request that asks for no WebSocket; `airflow_dlaas.service.api.log_stream` answers one that does."""
    parts.store.training(owner, training_id)
    raise UpgradeRequired("The monitor is a WebSocket: send Connection: Upgrade and Upgrade: websocket")


@router.patch(
    "/{training_id}", status_code=204, response_class=Response, openapi_extra=takes(PatchOperation, listed=True)
)
def cancel(parts: PartsOf, owner: Owner, training_id: Id, document: Document) -> Response:
    """Cancel a training: the one change there is. One that has ended stays as it ended, and that is no error."""
    parts.store.training(owner, training_id)
    _insist_on_cancel(document)
    parts.store.request_cancel(owner, training_id, parts.clock())
    parts.wake()
    return Response(status_code=204)


@router.put("/{training_id}/acknowledgement", status_code=204, response_class=Response)
def acknowledge(parts: PartsOf, owner: Owner, training_id: Id) -> Response:
    """
    Record that the client has taken the result of a completed training (ours); `acknowledged_at` shows when.

    Safe to repeat: the first time stays. A training in any other state is a conflict. A body is ignored.
    """
    parts.store.acknowledge(owner, training_id, parts.clock())
    return Response(status_code=204)


@router.delete("/{training_id}", status_code=204, response_class=Response)
def delete(parts: PartsOf, owner: Owner, training_id: Id) -> Response:
    """Forget a training that has ended, and its log here. What it stored stays in the object store."""
    if parts.store.training(owner, training_id).state.is_final:
        # First: a service that is killed in between can be asked once more, and no folder stays that is nobody's.
        remove_folder(parts.jobs / training_id)
    parts.store.delete_training(owner, training_id)
    return Response(status_code=204)


def _page(parts: Parts, owner: str, limit: int, start: str | None) -> dict[str, Any]:
    try:
        found = parts.store.trainings(owner, limit=limit + 1, before=start)
    except NotFound:
        raise InvalidRequest(
            f"start: training {start} is gone; list from the beginning",
            code="invalid_query_parameter_value",
            target="start",
        ) from None
    shown = found[:limit]
    page: dict[str, Any] = {"resources": training_report.many(parts, shown)}
    if len(found) > limit:
        page["next"] = {"url": f"{training_report.PATH}?limit={limit}&start={shown[-1].id}"}
    return page


async def _wait_for_changes(
    request: Request, parts: Parts, owner: str, *, after: int, limit: int, wait: float
) -> tuple[Sequence[TrainingRecord], int]:
    """Look for changes again and again without holding a thread in between."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    looked_at = -1
    while True:
        revision = await run_in_threadpool(parts.store.revision)
        if after > revision:
            after = 0  # a cursor of another database: this one has all to tell
        if revision != looked_at:
            found = await run_in_threadpool(parts.store.changes, owner, after=after, limit=limit)
            if found:
                return found, found[-1].revision
            looked_at = revision
        left = until - loop.time()
        if left <= 0 or parts.stopping() or await request.is_disconnected():
            # Nothing of this owner's lies between *after* and what was looked at.
            return (), looked_at
        await asyncio.sleep(min(GLANCE, left))


def _insist_on_cancel(document: Any) -> None:
    if isinstance(document, list) and len(document) > 1:
        raise InvalidRequest(f"Send one operation, not {len(document)}", code="patch_multiple_ops")
    wanted = CANCEL_PATCH[0]
    supported = f"The only operation is {wanted.model_dump_json()}, alone in a list"
    if not isinstance(document, list) or not document:
        raise InvalidRequest(supported, code="patch_not_supported")
    if understand(PatchOperation, document[0]) != wanted:
        raise InvalidRequest(supported, code="patch_not_supported")
