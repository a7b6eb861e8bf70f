"""The note and the tags of a training."""

from __future__ import annotations

from fastapi import APIRouter, Depends, HTTPException, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.plugin.response_models import AnnotationsRequest
from airflow_dlaas.plugin.routes.dependencies import (
    AirflowApiDep,
    LookupDep,
    QueryText,
    require_edit_access,
    require_json,
)
from airflow_dlaas.plugin.xcoms import TaskInstanceRef

router = APIRouter()


@router.put(
    "/annotations",
    status_code=204,
    response_class=Response,
    dependencies=[Depends(require_edit_access), Depends(require_json)],
)
async def set_annotations(
    api: AirflowApiDep, lookup: LookupDep, dag_id: QueryText, body: AnnotationsRequest
) -> Response:
    """Set the note and the tags. The user needs the permission to edit task instances of *dag_id*."""
    try:
        annotations = Annotations(note=body.note, tags=tuple(body.tags))
    except ValidationError as error:
        raise HTTPException(422, "; ".join(validation_messages(error))) from None
    # The DAG comes from the query only: that is the DAG for which Airflow checked the permission.
    ref = TaskInstanceRef(dag_id, body.run_id, body.task_id, body.map_index)
    found = await lookup.require_for_task(api, ref, body.training_id)
    found.require_service()
    if not await run_in_threadpool(lookup.service_clients.has_annotations, found.conn_id):
        raise HTTPException(409, "The service of this training keeps no notes and no tags")
    call = calls.annotate_training(body.training_id, annotations)
    await run_in_threadpool(lookup.service_clients.send, found.conn_id, call)
    return Response(status_code=204)
