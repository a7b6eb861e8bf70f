"""The only place where an error becomes an answer: the envelope, its status and its headers."""

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
"""Targets that are headers; all others are fields, or query parameters by their code."""


UNKNOWN_PATH_MESSAGE = "There is nothing at this path; the API lies under /v3"

OTHER_API_MESSAGE = (
    "There is nothing at this path. This service speaks the deep-learning API v3 of 2017: code is an experiment under "
    "/v3/ml_assets/experiments, a training run is a model under /v3/models. Later dialects (/v3/experiments, "
    "/v3/ml_assets/training_definitions, /v4) are not spoken here"
)
_OTHER_API_PATTERN = re.compile(r"/(v[0-9]+|ml/v[0-9]+)(/|$)")


class InvalidFields(InvalidRequest):
    """A refusal for more than one reason; each reason names its own field."""

    def __init__(self, errors: Sequence[ErrorItem]) -> None:
        super().__init__("; ".join(one.message for one in errors), code=errors[0].code)
        self.errors = tuple(errors)

    @classmethod
    def from_messages(cls, messages: Iterable[str], code: str) -> InvalidFields:
        """Make one of ``field: sentence`` lines; the field stays in the sentence, for whoever reads only that."""
        return cls([field_error(line.partition(": ")[0], line, code) for line in messages])


def field_error(field: str, message: str, code: str) -> ErrorItem:
    """Say what is wrong with one field of the body."""
    return ErrorItem(code=code, message=message, target=ErrorTarget(type="field", name=field))


def error_response(error: Exception, request: HTTPConnection) -> Response:
    """
    Put *error* as the answer to *request*, and in the log under the same trace.

    Of what is ours to mend only the log says what it is.
    """
    trace = uuid.uuid4().hex
    refused = _to_api_error(error, request.scope["path"])
    where = f"{request.scope.get('method', 'WebSocket')} {request.scope['path']!r}"
    if refused.status < 500:
        logger.info("%s: %d %s, trace %s", where, refused.status, refused.code, trace)
    else:
        logger.error("%s: %d, trace %s", where, refused.status, trace, exc_info=error)
    problem = ErrorReport(trace=trace, errors=_problem_errors(refused))
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=refused.status,
        headers=dict(_response_headers(refused, error, request)),
        media_type="application/json",
    )


def register_error_handlers(app: FastAPI) -> None:
    """Make every refusal of *app* an envelope."""

    async def handle(request: Request, error: Exception) -> Response:
        return error_response(error, request)

    for kind in (DlaasError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handle)
    app.add_middleware(CatchAllMiddleware)


class CatchAllMiddleware:
    """Answers for what nobody expected; the server behind it never sees an exception, only a finished answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and an exception to the log."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] in {"http.response.start", "websocket.accept"}
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            logger.info("%s %r: the client went away", scope.get("method"), scope.get("path"))
        except Exception as error:
            if scope["type"] != "http" or begun:
                # Half an answer cannot be taken back: the server closes the connection, so that it is seen as one.
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
            found = error.errors()
            if any(one["loc"][0] == "path" for one in found):
                return ERRORS_BY_STATUS[404]("There is nothing with this id")
            return InvalidFields([_query_error(one["loc"], one["type"], one.get("ctx", {})) for one in found])
        case HTTPException(status_code=404):
            return ERRORS_BY_STATUS[404](OTHER_API_MESSAGE if _OTHER_API_PATTERN.match(path) else UNKNOWN_PATH_MESSAGE)
        case HTTPException(status_code=405):
            return ERRORS_BY_STATUS[405]("This path has other methods; the Allow header names them")
        case HTTPException(status_code=status) if status < 500:
            return ERRORS_BY_STATUS.get(status, InvalidRequest)("The request cannot be read")
        case _:
            return Unavailable("The service failed; its log says more under the trace given here")


def _query_error(location: Sequence[int | str], error_type: str, context: Mapping[str, Any]) -> ErrorItem:
    name = format_path(tuple(location[1:]))
    return ErrorItem(
        code="invalid_query_parameter_value",
        message=f"{name}: {validation_message(error_type, context)}",
        target=ErrorTarget(type="query", name=name),
    )


def _problem_errors(error: ApiError) -> tuple[ErrorItem, ...]:
    if isinstance(error, InvalidFields):
        return error.errors
    target = None
    if error.target:
        query = error.code == "invalid_query_parameter_value"
        kind = "header" if error.target in HEADER_TARGETS else "query" if query else "field"
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
        # The router names only the methods of the first route that has the path.
        yield "Allow", ", ".join(_allowed_methods(request))
    elif isinstance(error, HTTPException) and isinstance(error.headers, Mapping):
        yield from error.headers.items()


def _allowed_methods(request: HTTPConnection) -> list[str]:
    """Name every method that the path of *request* has."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    found = (route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for methods in found for method in methods})
