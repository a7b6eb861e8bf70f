"""Routes of trainings. In the paths of the API, a training is a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.contract.annotations import MAX_TAGS, Annotations, Tag
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.training import CANCEL_PATCH, PatchOperation, UnreadableTraining
from airflow_dlaas.exceptions import InvalidRequest, NotFound, UpgradeRequired
from airflow_dlaas.service.api import training_report
from airflow_dlaas.service.api.dependencies import ApiDeps, Deps, Owner, base_url
from airflow_dlaas.service.api.request_bodies import (
    ID_PATTERN,
    JsonBody,
    TrainingId,
    json_response,
    parse_body,
    request_schema,
)
from airflow_dlaas.service.api.response_models import ReportedChanges, ReportedPage, ReportedTraining
from airflow_dlaas.service.api.submit import parse_idempotency_key, submit
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.store.records import TrainingRecord

MAX_WAIT = 30.0
"""Seconds that a long poll may wait. Proxies close connections that are silent for a minute."""
CHANGES_POLL_INTERVAL = 0.2
"""Seconds between two reads of the store's revision in a long poll."""
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000

router = APIRouter(prefix=training_report.MODELS_PATH, tags=["trainings"])


@router.post(
    "",
    status_code=202,
    response_model=ReportedTraining,
    openapi_extra=request_schema(TrainingDefinition),
    summary="Submit a training",
)
def create(
    request: Request,
    deps: Deps,
    owner: Owner,
    document: JsonBody,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key", description="With the key of an earlier request, no second training is created"
        ),
    ] = None,
) -> Response:
    """
    Submit a training definition.

    With an `Idempotency-Key` that was used before (extension), the response is the training that it created. The same
    key with another definition is a conflict.
    """
    bases = (base_url(request, deps), str(request.base_url))
    record, _ = submit(deps, owner, document, idempotency_key=parse_idempotency_key(idempotency_key), base_urls=bases)
    return json_response(training_report.report_training(deps, record), 202)


@router.get("", response_model=ReportedPage | ReportedChanges, summary="List trainings, or changes of trainings")
async def list_all(
    request: Request,
    deps: Deps,
    owner: Owner,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Trainings in the response at most")] = (
        DEFAULT_PAGE_SIZE
    ),
    start: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="Id of the last training of the previous page")
    ] = None,
    after: Annotated[
        str | None,
        Query(pattern=r"^([0-9]{0,18}|now)$", description="List changes after this cursor: a number, or `now`"),
    ] = None,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT, allow_inf_nan=False, description="Seconds to wait for a change, with `after`")
    ] = 0,
    tag: Annotated[
        list[Tag] | None,
        Query(max_length=MAX_TAGS, description="List trainings with this tag (repeated: with all of them)"),
    ] = None,
) -> Response:
    """
    List the trainings, newest first; `next.url` is the next page. With `tag` (extension), those that have the tag.

    With `after` (extension), the response lists the trainings that have changed since that cursor instead, the oldest
    change first, and the next cursor. If nothing has changed, it waits up to `wait` seconds for a change. `0` or an
    empty cursor lists all trainings; `now` lists none and returns the first cursor. A new position in the queue and a
    new metric are not changes.
    """
    if after is None:
        return json_response(await run_in_threadpool(_list_page, deps, owner, limit, start, tag or ()))
    if tag:
        raise InvalidRequest(
            "tag: cannot be combined with after: a training that loses its tag would be missing in the changes",
            code="invalid_query_parameter_value",
            target="tag",
        )
    if after == "now":
        return json_response({"resources": [], "cursor": str(await run_in_threadpool(deps.store.current_revision))})
    records, cursor = await _wait_for_changes(request, deps, owner, after=int(after or 0), limit=limit, wait=wait)
    return json_response(
        {"resources": await run_in_threadpool(training_report.report_trainings, deps, records), "cursor": str(cursor)}
    )


@router.get("/{training_id}", response_model=ReportedTraining | UnreadableTraining, summary="Get a training")
def get(deps: Deps, owner: Owner, training_id: TrainingId) -> Response:
    """Return a training with its definition and its status."""
    return json_response(training_report.report_training(deps, deps.store.get_training(owner, training_id)))


@router.get("/{training_id}/monitor", include_in_schema=False)
def require_websocket(deps: Deps, owner: Owner, training_id: TrainingId) -> Response:
    """Refuse a request without a WebSocket upgrade; `airflow_dlaas.service.api.log_stream` has the WebSocket route."""
    deps.store.get_training(owner, training_id)
    raise UpgradeRequired("The log stream is a WebSocket: send Connection: Upgrade and Upgrade: websocket")


@router.patch(
    "/{training_id}",
    status_code=204,
    response_class=Response,
    openapi_extra=request_schema(PatchOperation, as_list=True),
    summary="Cancel a training",
)
def cancel(deps: Deps, owner: Owner, training_id: TrainingId, document: JsonBody) -> Response:
    """
    Cancel a training. Other changes are not supported.

    The state of a training that has already ended does not change, and this is no error.
    """
    deps.store.get_training(owner, training_id)
    _require_cancel(document)
    deps.store.request_cancel(owner, training_id, deps.clock())
    deps.wake_dispatcher()
    return Response(status_code=204)


@router.put(
    "/{training_id}/acknowledgement", status_code=204, response_class=Response, summary="Acknowledge the result"
)
def acknowledge(deps: Deps, owner: Owner, training_id: TrainingId) -> Response:
    """
    Record that the client has taken the result of a completed training (extension).

    `acknowledged_at` in the status is the time of the first request; a repeated request changes nothing. A training in
    any other state is a conflict. The body is ignored.
    """
    deps.store.acknowledge(owner, training_id, deps.clock())
    return Response(status_code=204)


@router.put(
    "/{training_id}/annotations",
    status_code=204,
    response_class=Response,
    openapi_extra=request_schema(Annotations),
    summary="Set the note and the tags",
)
def annotate(deps: Deps, owner: Owner, training_id: TrainingId, document: JsonBody) -> Response:
    """
    Set the note and the tags of a training, both together, in any state (extension).

    A key that is missing is removed. Other values than before are a change in the list of changes.
    """
    deps.store.get_training(owner, training_id)
    deps.store.set_annotations(owner, training_id, parse_body(Annotations, document), deps.clock())
    return Response(status_code=204)


@router.delete("/{training_id}", status_code=204, response_class=Response, summary="Delete a training")
def delete(deps: Deps, owner: Owner, training_id: TrainingId) -> Response:
    """
    Delete a training that has ended, with its log and its metrics. Its results stay in the object store.

    A training that has not ended is a conflict.
    """
    if deps.store.get_training(owner, training_id).state.is_final:
        # The job directory first: if the service is killed in between, the request can be repeated. In the other order,
        # a job directory without a training would stay.
        JobDirectory(deps.jobs_dir / training_id).delete()
    deps.store.delete_training(owner, training_id)
    return Response(status_code=204)


def _list_page(deps: ApiDeps, owner: str, limit: int, start: str | None, tags: Sequence[str]) -> dict[str, Any]:
    try:
        records = deps.store.list_trainings(owner, limit=limit + 1, before=start, tags=tags)
    except NotFound:
        raise InvalidRequest(
            f"start: training {start} does not exist any more; list from the beginning",
            code="invalid_query_parameter_value",
            target="start",
        ) from None
    page_records = records[:limit]
    page: dict[str, Any] = {"resources": training_report.report_trainings(deps, page_records)}
    if len(records) > limit:
        query = urlencode([("limit", limit), ("start", page_records[-1].id), *(("tag", tag) for tag in tags)])
        page["next"] = {"url": f"{training_report.MODELS_PATH}?{query}"}
    return page


async def _wait_for_changes(
    request: Request, deps: ApiDeps, owner: str, *, after: int, limit: int, wait: float
) -> tuple[Sequence[TrainingRecord], int]:
    """
    Return the changes after the cursor *after* and the next cursor; wait up to *wait* seconds for a change.

    The store is polled, without a thread between two polls.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    checked_revision = -1
    while True:
        revision = await run_in_threadpool(deps.store.current_revision)
        if after > revision:
            after = 0  # a cursor of another database: all trainings of this one are changes
        if revision != checked_revision:
            records = await run_in_threadpool(deps.store.list_changes, owner, after=after, limit=limit)
            if records:
                return records, records[-1].revision
            checked_revision = revision
        left = deadline - loop.time()
        if left <= 0 or deps.is_stopping() or await request.is_disconnected():
            # *owner* has no change between *after* and this revision, so it can be the next cursor.
            return (), checked_revision
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
