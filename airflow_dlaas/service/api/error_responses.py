"""Error responses: body, status and headers for each exception. No other module creates an error response."""

from __future__ import annotations

import logging
import math
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_dlaas.contract.error import ERRORS_BY_STATUS, ErrorItem, ErrorReport, ErrorTarget
from airflow_dlaas.contract.validation_messages import format_path, validation_message
from airflow_dlaas.exceptions import (
    ApiError,
    DlaasError,
    InvalidBundle,
    InvalidDefinition,
    InvalidRequest,
    MethodNotAllowed,
    Unauthenticated,
    Unavailable,
    UpgradeRequired,
)

logger = logging.getLogger(__name__)

HEADER_TARGETS = frozenset({"Authorization", "Host", "Idempotency-Key"})
"""Targets that are headers. Others are query parameters, if the code of the error is that of a query, or fields."""


UNKNOWN_PATH_MESSAGE = "This path does not exist; the paths of the API begin with /v3"

OTHER_API_MESSAGE = (
    "This path does not exist. This service implements the deep-learning API v3 of 2017: code is an experiment under "
    "/v3/ml_assets/experiments, a training is a model under /v3/models. It does not implement later versions of the "
    "API (/v3/experiments, /v3/ml_assets/training_definitions, /v4)"
)
_OTHER_API_PATTERN = re.compile(r"/(v[0-9]+|ml/v[0-9]+)(/|$)")


class InvalidFields(InvalidRequest):
    """Several invalid fields in one request; each error names its own field."""

    def __init__(self, errors: Sequence[ErrorItem]) -> None:
        super().__init__("; ".join(one.message for one in errors), code=errors[0].code)
        self.errors = tuple(errors)

    @classmethod
    def from_messages(cls, messages: Iterable[str], code: str) -> InvalidFields:
        """Create the error from lines ``field: sentence``. Messages keep the field, so that they are clear alone."""
        return cls([field_error(line.partition(": ")[0], line, code) for line in messages])


def field_error(field: str, message: str, code: str) -> ErrorItem:
    """Return the error of one field of the body."""
    return ErrorItem(code=code, message=message, target=ErrorTarget(type="field", name=field))


def error_response(error: Exception, request: HTTPConnection) -> Response:
    """
    Return the response to *request* for *error*, and log both under the same trace.

    For an unexpected error (500), the response has no details: only the log has them.
    """
    trace = uuid.uuid4().hex
    api_error = _to_api_error(error, request.scope["path"])
    call = f"{request.scope.get('method', 'WebSocket')} {request.scope['path']!r}"
    if api_error.status < 500:
        logger.info("%s refused: %d %s, trace %s", call, api_error.status, api_error.code, trace)
    else:
        logger.error("%s failed: %d, trace %s", call, api_error.status, trace, exc_info=error)
    report = ErrorReport(trace=trace, errors=_error_items(api_error))
    return Response(
        report.model_dump_json(exclude_none=True),
        status_code=api_error.status,
        headers=dict(_response_headers(api_error, error, request)),
        media_type="application/json",
    )


def register_error_handlers(app: FastAPI) -> None:
    """Let *app* answer every error with an error response."""

    async def handle(request: Request, error: Exception) -> Response:
        return error_response(error, request)

    for kind in (DlaasError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handle)
    app.add_middleware(CatchAllMiddleware)


class CatchAllMiddleware:
    """
    Answers unexpected exceptions with an error response.

    The server sees an exception only of a WebSocket, or after the response has begun.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, and answer its exceptions."""
        has_begun = False

        async def send_and_record(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] in {"http.response.start", "websocket.accept"}
            await send(message)

        try:
            await self._app(scope, receive, send_and_record)
        except ClientDisconnect:
            logger.info("%s %r: the client closed the connection", scope.get("method"), scope.get("path"))
        except Exception as error:
            if scope["type"] != "http" or has_begun:
                # A response that has begun cannot be replaced. The server closes the connection, so the client notices.
                raise
            await error_response(error, HTTPConnection(scope))(scope, receive, send)


def _to_api_error(error: Exception, path: str) -> ApiError:
    match error:
        case ApiError():
            return error
        case InvalidDefinition(problems=problems):
            return InvalidFields.from_messages(problems, "C101")
        case InvalidBundle():
            return InvalidRequest(f"The zip is unusable: {error}", code="C102")
        case RequestValidationError():
            errors = error.errors()
            if any(one["loc"][0] == "path" for one in errors):
                return ERRORS_BY_STATUS[404]("This id does not exist")
            return InvalidFields([_query_error(one["loc"], one["type"], one.get("ctx", {})) for one in errors])
        case HTTPException(status_code=404):
            return ERRORS_BY_STATUS[404](OTHER_API_MESSAGE if _OTHER_API_PATTERN.match(path) else UNKNOWN_PATH_MESSAGE)
        case HTTPException(status_code=405):
            return ERRORS_BY_STATUS[405]("This path does not have this method; the Allow header lists its methods")
        case HTTPException(status_code=status) if status < 500:
            return ERRORS_BY_STATUS.get(status, InvalidRequest)("The request is malformed")
        case _:
            return Unavailable("The service failed; its log has the details under this trace")


def _query_error(location: Sequence[int | str], error_type: str, context: Mapping[str, Any]) -> ErrorItem:
    name = format_path(tuple(location[1:]))
    return ErrorItem(
        code="invalid_query_parameter_value",
        message=f"{name}: {validation_message(error_type, context)}",
        target=ErrorTarget(type="query", name=name),
    )


def _error_items(error: ApiError) -> tuple[ErrorItem, ...]:
    if isinstance(error, InvalidFields):
        return error.errors
    target = None
    if error.target:
        is_query = error.code == "invalid_query_parameter_value"
        kind = "header" if error.target in HEADER_TARGETS else "query" if is_query else "field"
        target = ErrorTarget(type=kind, name=error.target)
    return (ErrorItem(code=error.code, message=error.message, more_info=error.more_info, target=target),)


def _response_headers(api_error: ApiError, error: Exception, request: HTTPConnection) -> Iterable[tuple[str, str]]:
    if isinstance(api_error, Unauthenticated):
        scheme = "Basic" if request.scope["path"].endswith("/identity/token") else "Bearer"
        yield "WWW-Authenticate", f'{scheme} realm="airflow-dlaas"'
    if api_error.retry_after is not None:
        yield "Retry-After", str(math.ceil(api_error.retry_after))
    if isinstance(api_error, UpgradeRequired):
        yield "Upgrade", "websocket"
        yield "Connection", "Upgrade"
    if isinstance(error, HTTPException) and error.status_code == MethodNotAllowed.status:
        # Starlette's own Allow header has only the methods of the first route with this path.
        yield "Allow", ", ".join(_allowed_methods(request))
    elif isinstance(error, HTTPException) and isinstance(error.headers, Mapping):
        yield from error.headers.items()


def _allowed_methods(request: HTTPConnection) -> list[str]:
    """Return all methods of the path of *request*."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    matching = (route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for methods in matching for method in methods})
