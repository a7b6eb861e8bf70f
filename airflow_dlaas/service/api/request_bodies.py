"""Request bodies, read up to a limit and parsed; JSON responses."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.exceptions import InvalidRequest, TooLarge
from airflow_dlaas.service.api.dependencies import Deps, Owner
from airflow_dlaas.service.api.error_responses import InvalidFields

ModelT = TypeVar("ModelT", bound=BaseModel)

ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"

ExperimentId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of the experiment: its `metadata.guid`")]
VersionId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of the version: `entity.experiment_version.guid`")]
TrainingId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of the training: its `metadata.guid`")]
InstanceId = Annotated[str, Path(pattern=ID_PATTERN, description="Any id: there is one instance")]
"""Types of path parameters with an id. A text that cannot be an id is answered with 404."""


SCHEMA_REF_PREFIX = "#/components/schemas/"
"""The prefix of references to schemas in the OpenAPI document."""

ZIP_CONTENT: dict[str, Any] = {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
"""A zip in the OpenAPI document, as a request body or a response."""


def request_schema(model: type[BaseModel], *, required: bool = True, as_list: bool = False) -> dict[str, Any]:
    """Return the OpenAPI entry of a route whose request body is a *model*, or (*as_list*) a list with one."""
    schema: dict[str, Any] = {"$ref": f"{SCHEMA_REF_PREFIX}{model.__name__}"}
    if as_list:
        schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": 1}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


async def read_body(request: Request, limit: int) -> AsyncIterator[bytes]:
    """
    Yield the body in chunks.

    :raises TooLarge: the body has more than *limit* bytes. With a Content-Length header, the error is raised before
        anything is read; else as soon as the limit is exceeded.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > len(str(limit)) or int(declared) > limit):
        raise _too_large(limit)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


async def read_json(request: Request, limit: int) -> Any:
    """
    Return the body, parsed as JSON; None for an empty body.

    The content type is ignored: curl's ``--data-binary`` sends that of a form.

    :raises TooLarge: the body has more than *limit* bytes.
    :raises InvalidRequest: the body is no JSON or no UTF-8, is nested too deep, or has numbers that JSON does not have.
    """
    content = b"".join([chunk async for chunk in read_body(request, limit)])
    if not content.strip():
        return None
    try:
        document = from_json(content.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}") from None
    if _has_infinity(document):
        raise InvalidRequest("The body contains a number that is too large")
    return document


def _has_infinity(document: Any) -> bool:
    """Whether a number was parsed as infinity, such as 1e999. It could not be written as JSON again."""
    left = [document]
    while left:
        match left.pop():
            case float() as number if math.isinf(number):
                return True
            case dict() as inner:
                left.extend(inner.values())
            case list() as inner:
                left.extend(inner)
    return False


async def _read_document(request: Request, deps: Deps, _owner: Owner) -> Any:
    return await read_json(request, deps.limits.json_bytes)


JsonBody = Annotated[Any, Depends(_read_document)]
"""
Type of a route function's parameter that receives the body, parsed as JSON; None for an empty body.

The token is checked first: the body of a request without a valid token is not read.
"""


def parse_body(model: type[ModelT], document: Any) -> ModelT:
    """
    Validate *document* as a *model*.

    :raises InvalidFields: fields are invalid; the error has one entry for each.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidFields.from_messages(validation_messages(error), "invalid_request_payload") from None


def json_response(content: BaseModel | Mapping[str, Any], status: int = 200) -> Response:
    """
    Return a JSON response with *content*. Keys of a model with the value None are left out.

    NaN and infinity, which JSON numbers cannot express, are sent as strings such as "NaN"; `float` parses them.
    """
    if isinstance(content, BaseModel):
        content = content.model_dump(exclude_none=True)
    return Response(to_json(content, inf_nan_mode="strings"), status_code=status, media_type="application/json")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit:,} bytes, the limit of this route")
