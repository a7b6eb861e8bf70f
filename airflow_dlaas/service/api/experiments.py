"""Routes of experiments (code assets), their versions, and the archive of each version."""

from __future__ import annotations

import logging
import re
import uuid
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas._util.secret_names import is_secret_name
from airflow_dlaas.contract.experiment import (
    Experiment,
    ExperimentDraft,
    ExperimentEntity,
    ExperimentList,
    ExperimentVersion,
    Metadata,
)
from airflow_dlaas.contract.stores import MASK
from airflow_dlaas.exceptions import Conflict, InvalidRequest, NotFound
from airflow_dlaas.packaging import archive
from airflow_dlaas.service.api.dependencies import ApiDeps, Deps, Owner, base_url
from airflow_dlaas.service.api.request_bodies import (
    ZIP_CONTENT,
    ExperimentId,
    JsonBody,
    VersionId,
    json_response,
    parse_body,
    read_body,
    request_schema,
)
from airflow_dlaas.service.store.blobs import BlobUpload
from airflow_dlaas.service.store.records import ExperimentRecord, VersionRecord

EXPERIMENTS_PATH = "/v3/ml_assets/experiments"
_log_once = LoggedOnce(logging.getLogger(__name__))

WRITE_CHUNK_SIZE = 1024**2
"""Bytes of a body that are collected before they are written: each write is a call in another thread."""

CONTENT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: ZIP_CONTENT,
    206: {"description": "The requested range of bytes", **ZIP_CONTENT},
}

_RANGE_PATTERN = re.compile(rb"bytes=([0-9]{0,15})-([0-9]{0,15})")

router = APIRouter(prefix=EXPERIMENTS_PATH, tags=["experiments"])


@router.post(
    "",
    status_code=201,
    response_model=Experiment,
    openapi_extra=request_schema(ExperimentDraft),
    summary="Create an experiment",
)
def create(request: Request, deps: Deps, owner: Owner, document: JsonBody) -> Response:
    """Create an experiment and its first version. The version has no content yet."""
    draft = _parse_draft(document)
    now = deps.clock()
    experiment = ExperimentRecord(_new_id(), owner, draft.model_dump(mode="json", exclude_none=True), now)
    version = VersionRecord(_new_id(), experiment.id, 1, now)
    deps.store.create_experiment(experiment, version)
    return json_response(_experiment_report(request, deps, experiment, version), 201)


@router.get("", response_model=ExperimentList, summary="List experiments")
def list_all(request: Request, deps: Deps, owner: Owner) -> Response:
    """List the experiments, newest first, each with its newest version."""
    found = deps.store.list_experiments(owner)
    return json_response({"resources": [_experiment_report(request, deps, *one) for one in found]})


@router.get("/{experiment_id}", response_model=Experiment, summary="Get an experiment")
def get(request: Request, deps: Deps, owner: Owner, experiment_id: ExperimentId) -> Response:
    """Return an experiment with its newest version."""
    return json_response(_experiment_report(request, deps, *deps.store.get_experiment(owner, experiment_id)))


@router.post(
    "/{experiment_id}",
    status_code=201,
    response_model=Experiment,
    openapi_extra=request_schema(ExperimentDraft, required=False),
    summary="Add a version",
)
def add_version(
    request: Request, deps: Deps, owner: Owner, experiment_id: ExperimentId, document: JsonBody
) -> Response:
    """
    Add a version without content to an experiment.

    The body may be empty, or repeat the body that created the experiment: metadata is immutable.
    """
    experiment, _ = deps.store.get_experiment(owner, experiment_id)
    if experiment.unreadable_columns is not None:
        raise Conflict(f"The service cannot read its record of experiment {experiment_id}: create another one")
    if document:
        _require_same_draft(ExperimentDraft.model_validate(experiment.draft), _parse_draft(document))
    version = deps.store.add_version(owner, experiment_id, _new_id(), deps.clock())
    return json_response(_experiment_report(request, deps, experiment, version), 201)


@router.delete("/{experiment_id}", status_code=204, response_class=Response, summary="Delete an experiment")
def delete(deps: Deps, owner: Owner, experiment_id: ExperimentId) -> Response:
    """Delete an experiment with all its versions. Trainings that run its code are not affected."""
    deps.store.delete_experiment(owner, experiment_id)
    return Response(status_code=204)


@router.get("/{experiment_id}/versions", response_model=ExperimentList, summary="List versions")
def list_versions(request: Request, deps: Deps, owner: Owner, experiment_id: ExperimentId) -> Response:
    """List the versions of an experiment, oldest first."""
    experiment, _ = deps.store.get_experiment(owner, experiment_id)
    found = deps.store.list_versions(owner, experiment_id)
    return json_response({"resources": [_experiment_report(request, deps, experiment, one) for one in found]})


@router.get("/{experiment_id}/versions/{version_id}", response_model=Experiment, summary="Get a version")
def get_version(
    request: Request, deps: Deps, owner: Owner, experiment_id: ExperimentId, version_id: VersionId
) -> Response:
    """Return an experiment with one of its versions."""
    experiment, _ = deps.store.get_experiment(owner, experiment_id)
    version = deps.store.get_version(owner, experiment_id, version_id)
    return json_response(_experiment_report(request, deps, experiment, version))


@router.put(
    "/{experiment_id}/versions/{version_id}/content",
    response_model=Experiment,
    openapi_extra={"requestBody": {"required": True, **ZIP_CONTENT}},
    summary="Upload the content of a version",
)
async def put_content(
    request: Request, deps: Deps, owner: Owner, experiment_id: ExperimentId, version_id: VersionId
) -> Response:
    """
    Store the zip of a version; the request may have any content type.

    The content changes only after the zip has arrived completely and passed the checks. A later upload replaces it.
    Trainings that were submitted before keep the content with which they were submitted.
    """
    experiment, _ = await run_in_threadpool(deps.store.get_experiment, owner, experiment_id)
    version = await run_in_threadpool(deps.store.get_version, owner, experiment_id, version_id)
    limit = deps.limits.zip_bytes
    chunks = read_body(request, limit)
    first = await anext(chunks, b"")  # before a file is created: a body that is too large may be refused here
    with await run_in_threadpool(deps.blobs.start_upload, limit) as upload:
        buffer = bytearray(first)
        async for chunk in chunks:
            buffer += chunk
            if len(buffer) >= WRITE_CHUNK_SIZE:
                await run_in_threadpool(upload.write, bytes(buffer))
                buffer.clear()
        await run_in_threadpool(upload.write, bytes(buffer))
        await run_in_threadpool(_store_content, deps, owner, experiment, version, upload)
    return json_response(_experiment_report(request, deps, experiment, version))


def _store_content(
    deps: ApiDeps, owner: str, experiment: ExperimentRecord, version: VersionRecord, upload: BlobUpload
) -> None:
    upload.finalize()
    allow_nested = deps.limits.allow_nested or experiment.draft.get("nested") is True
    archive.require_safe_archive(upload.temp_path, allow_nested=allow_nested, unpacked_limit=deps.limits.unpacked_bytes)
    blob = upload.commit()
    deps.store.set_content(owner, version.experiment_id, version.id, blob.digest, blob.size)


@router.get(
    "/{experiment_id}/versions/{version_id}/content",
    response_class=FileResponse,
    responses=CONTENT_RESPONSES,
    summary="Download the content of a version",
)
@router.head("/{experiment_id}/versions/{version_id}/content", include_in_schema=False)
def get_content(deps: Deps, owner: Owner, experiment_id: ExperimentId, version_id: VersionId) -> Response:
    """Return the zip of a version; its ETag is the SHA-256 of the content. A `Range` of bytes is supported."""
    return _content_response(deps, deps.store.get_version(owner, experiment_id, version_id))


@router.get(
    "/{experiment_id}/content",
    response_class=FileResponse,
    responses=CONTENT_RESPONSES,
    summary="Download the newest content",
)
@router.head("/{experiment_id}/content", include_in_schema=False)
def get_newest_content(deps: Deps, owner: Owner, experiment_id: ExperimentId) -> Response:
    """Return the zip of the newest version of an experiment."""
    return _content_response(deps, deps.store.get_experiment(owner, experiment_id)[1])


def _content_response(deps: ApiDeps, version: VersionRecord) -> Response:
    if version.digest is None:
        raise NotFound(f"Version {version.id} has no content yet: PUT the zip to this URL")
    if not deps.blobs.touch(version.digest):
        raise NotFound(f"The content of version {version.id} is lost: PUT the zip again")
    return _ZipResponse(deps.blobs.path(version.digest), version.digest)


class _ZipResponse(FileResponse):
    """A zip, or one range of it. Any other `Range` is ignored, as HTTP permits (RFC 9110, section 14.2)."""

    def __init__(self, path: Path, digest: str) -> None:
        super().__init__(path, media_type="application/zip", headers={"ETag": f'"{digest}"'})
        self._size = path.stat().st_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [one for one in scope["headers"] if one[0] != b"range" or _is_satisfiable_range(one[1], self._size)]
        await super().__call__({**scope, "headers": headers}, receive, send)


def _is_satisfiable_range(header: bytes, size: int) -> bool:
    found = _RANGE_PATTERN.fullmatch(header)
    if found is None:
        return False
    first, last = found.groups()
    if not first:
        return bool(last) and int(last) > 0 and size > 0
    return int(first) < size and (not last or int(first) <= int(last))


def _parse_draft(document: Any) -> ExperimentDraft:
    draft = parse_body(ExperimentDraft, document)
    # The service does not use the reference, so it does not store the secrets in it.
    return draft.model_copy(update={"training_data_reference": _mask_secrets(draft.training_data_reference)})


def _mask_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {key: MASK if is_secret_name(key) else _mask_secrets(inner) for key, inner in value.items()}
        case list():
            return [_mask_secrets(inner) for inner in value]
        case _:
            return value


def _require_same_draft(existing: ExperimentDraft, draft: ExperimentDraft) -> None:
    for name in ExperimentDraft.model_fields:
        if getattr(draft, name) != getattr(existing, name):
            raise InvalidRequest(
                f"{name}: differs from the experiment, whose metadata is immutable; create another experiment",
                target=name,
            )


def _experiment_report(
    request: Request, deps: ApiDeps, experiment: ExperimentRecord, version: VersionRecord
) -> dict[str, Any]:
    url = f"{base_url(request, deps)}{EXPERIMENTS_PATH}/{experiment.id}"
    version_url = f"{url}/versions/{version.id}"
    metadata = Metadata(guid=experiment.id, url=url, created_at=experiment.created_at, modified_at=version.created_at)
    version_urls = ExperimentVersion(guid=version.id, url=version_url, content_url=f"{version_url}/content")
    unreadable = experiment.unreadable_columns or version.unreadable_columns
    if unreadable is None:
        try:
            entity = ExperimentEntity(**experiment.draft, experiment_version=version_urls)
            return Experiment(metadata=metadata, entity=entity).model_dump(exclude_none=True)
        except (ValidationError, TypeError) as error:
            unreadable = "draft"
            _log_once.warning(
                experiment.id,
                "The record of experiment %s cannot be read; responses show a message in its place",
                experiment.id,
                exc_info=error,
            )
    message = (
        f"The service cannot read its record of experiment {experiment.id} (columns of the database: {unreadable}); "
        "the log of the service has the details"
    )
    return {
        "metadata": metadata.model_dump(),
        "entity": {"message": message, "experiment_version": version_urls.model_dump()},
    }


def _new_id() -> str:
    return str(uuid.uuid4())
