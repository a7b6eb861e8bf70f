"""Tokens: for a password, and for a token that is about to expire."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.contract.base import RequestModel
from airflow_dlaas.exceptions import RateLimited
from airflow_dlaas.service.api.dependencies import Deps
from airflow_dlaas.service.api.request_bodies import json_response, parse_body, read_json, request_schema

router = APIRouter(tags=["identity"])

MAX_BODY_BYTES = 16 * 1024
"""Bytes; a token has some hundred."""

MAX_CONCURRENT_LOGINS = 2
"""Passwords looked at together: each costs bcrypt's time of a core, and the API needs some, too."""
MAX_WAITING_LOGINS = 100
"""How many more may wait for their turn, which takes none of the API's threads; beyond that they are sent away."""


def create_login_limiter() -> CapacityLimiter:
    """Make the door that those who log in pass: one for each API."""
    return CapacityLimiter(MAX_CONCURRENT_LOGINS)


class TokenBody(RequestModel):
    """A token, on its way in either direction."""

    token: str


@router.get("/v3/identity/token", response_model=TokenBody)
@router.get("/v2/identity/token", response_model=TokenBody, include_in_schema=False)
async def log_in(request: Request, deps: Deps) -> Response:
    """Give a token for HTTP Basic credentials."""
    address = request.client.host if request.client else ""
    door: CapacityLimiter = request.app.state.login_limiter
    if door.statistics().tasks_waiting >= MAX_WAITING_LOGINS:
        raise RateLimited("Too many log in at once; try again in a moment", retry_after=2)
    authorization = request.headers.get("authorization")
    token = await to_thread.run_sync(deps.authenticator.log_in, authorization, address, limiter=door)
    return json_response(TokenBody(token=token))


@router.put("/v3/identity/token", response_model=TokenBody, openapi_extra=request_schema(TokenBody))
@router.put("/v2/identity/token", response_model=TokenBody, include_in_schema=False)
async def refresh(request: Request, deps: Deps) -> Response:
    """Give a new token for one that is still good."""
    old = parse_body(TokenBody, await read_json(request, MAX_BODY_BYTES))
    return json_response(TokenBody(token=await run_in_threadpool(deps.authenticator.refresh, old.token)))
