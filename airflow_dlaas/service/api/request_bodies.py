"""Reading what was sent, never more of it than the limit, and writing what is answered."""

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

W = TypeVar("W", bound=BaseModel)

ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"

PathId = Annotated[str, Path(pattern=ID_PATTERN)]
"""An id in a path; what cannot be one is not found."""


SCHEMA_REF_PREFIX = "#/components/schemas/"
"""Where the OpenAPI keeps its words."""

ZIP_CONTENT: dict[str, Any] = {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
"""How the OpenAPI calls a zip, in either direction."""


def request_schema(model: type[BaseModel], *, required: bool = True, as_list: bool = False) -> dict[str, Any]:
    """Say in the OpenAPI that a route's body is a *model*, or a list of one."""
    schema: dict[str, Any] = {"$ref": f"{SCHEMA_REF_PREFIX}{model.__name__}"}
    if as_list:
        schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": 1}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


async def read_body(request: Request, limit: int) -> AsyncIterator[bytes]:
    """
    Read the body in pieces.

    :raises TooLarge: it has more than *limit* bytes. Where its length is told that is known before any of it is
        read, else as soon as the limit is passed.
    """
    told = request.headers.get("content-length", "")
    if told.isdecimal() and (len(told) > len(str(limit)) or int(told) > limit):
        raise _too_large(limit)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


async def read_json(request: Request, limit: int) -> Any:
    """
    Read the body as JSON, whatever content type it claims (curl's ``--data-binary`` claims a form's).

    :raises TooLarge: it has more than *limit* bytes.
    :raises InvalidRequest: it is no JSON, no UTF-8, nested too deep, or holds numbers JSON does not have.
    """
    content = b"".join([chunk async for chunk in read_body(request, limit)])
    if not content.strip():
        return None
    try:
        document = from_json(content.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"The body is no JSON: {error}") from None
    if _has_infinity(document):
        raise InvalidRequest("The body holds a number that is too large")
    return document


def _has_infinity(document: Any) -> bool:
    """Whether a number was read as infinite, as 1e999 is: it could not be written as JSON again."""
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
"""A handler's parameter of this type is given the body, parsed; None where there is none. Tokens come first."""


def parse_body(model: type[W], document: Any) -> W:
    """
    Read *document* as a *model*, strictly.

    :raises Several: naming every field that is wrong.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidFields.from_messages(validation_messages(error), "invalid_request_payload") from None


def json_response(content: BaseModel | Mapping[str, Any], status: int = 200) -> Response:
    """
    Answer with *content*; what is None is left out of words.

    A loss that is not a number is no JSON number either: it goes as the string "NaN", which reads back as one.
    """
    if isinstance(content, BaseModel):
        content = content.model_dump(exclude_none=True)
    return Response(to_json(content, inf_nan_mode="strings"), status_code=status, media_type="application/json")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than the {limit:,} bytes that are taken here")
