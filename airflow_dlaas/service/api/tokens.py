"""Routes of tokens: log in with a password, and renew a token."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.exceptions import RateLimited
from airflow_dlaas.service.api.dependencies import Deps
from airflow_dlaas.service.api.request_bodies import json_response, parse_body, read_json, request_schema
from airflow_dlaas.service.api.response_models import TokenBody

router = APIRouter(tags=["identity"])

MAX_BODY_BYTES = 16 * 1024
"""Bytes of a request body. A token has some hundred bytes."""

MAX_CONCURRENT_LOGINS = 2
"""Passwords that are checked at the same time. Each check occupies a CPU core for the time of one bcrypt hash."""
MAX_WAITING_LOGINS = 100
"""Logins that may wait for a check. They occupy no thread. Further logins are refused with 429."""


def create_login_limiter() -> CapacityLimiter:
    """Return the limiter of concurrent password checks. Each API has one."""
    return CapacityLimiter(MAX_CONCURRENT_LOGINS)


@router.get("/v3/identity/token", response_model=TokenBody, summary="Log in")
@router.get("/v2/identity/token", response_model=TokenBody, include_in_schema=False)
async def log_in(request: Request, deps: Deps) -> Response:
    """Return a token for HTTP Basic credentials."""
    address = request.client.host if request.client else ""
    limiter: CapacityLimiter = request.app.state.login_limiter
    if limiter.statistics().tasks_waiting >= MAX_WAITING_LOGINS:
        raise RateLimited("Too many logins at the same time; retry after 2 s", retry_after=2)
    authorization = request.headers.get("authorization")
    token = await to_thread.run_sync(deps.authenticator.log_in, authorization, address, limiter=limiter)
    return json_response(TokenBody(token=token))


@router.put(
    "/v3/identity/token",
    response_model=TokenBody,
    openapi_extra=request_schema(TokenBody),
    summary="Renew a token",
)
@router.put("/v2/identity/token", response_model=TokenBody, include_in_schema=False)
async def refresh(request: Request, deps: Deps) -> Response:
    """Return a new token for a token that is still valid."""
    body = parse_body(TokenBody, await read_json(request, MAX_BODY_BYTES))
    return json_response(TokenBody(token=await run_in_threadpool(deps.authenticator.refresh, body.token)))
