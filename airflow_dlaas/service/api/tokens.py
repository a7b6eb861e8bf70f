"""Tokens: for a password, and for a token that is about to expire."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.contract.base import RequestModel
from airflow_dlaas.exceptions import RateLimited
from airflow_dlaas.service.api.dependencies import PartsOf
from airflow_dlaas.service.api.request_bodies import read_json, reply, takes, understand

router = APIRouter(tags=["identity"])

LARGEST_BODY = 16 * 1024
"""Bytes; a token has some hundred."""

LOGINS_AT_ONCE = 2
"""Passwords looked at together: each costs bcrypt's time of a core, and the API needs some, too."""
LOGINS_WAITING = 100
"""How many more may wait for their turn, which takes none of the API's threads; beyond that they are sent away."""


def logins() -> CapacityLimiter:
    """Make the door that those who log in pass: one for each API."""
    return CapacityLimiter(LOGINS_AT_ONCE)


class Token(RequestModel):
    """A token, on its way in either direction."""

    token: str


@router.get("/v3/identity/token", response_model=Token)
@router.get("/v2/identity/token", response_model=Token, include_in_schema=False)
async def log_in(request: Request, parts: PartsOf) -> Response:
    """Give a token for HTTP Basic credentials."""
    address = request.client.host if request.client else ""
    door: CapacityLimiter = request.app.state.logins
    if door.statistics().tasks_waiting >= LOGINS_WAITING:
        raise RateLimited("Too many log in at once; try again in a moment", retry_after=2)
    authorization = request.headers.get("authorization")
    token = await to_thread.run_sync(parts.identity.log_in, authorization, address, limiter=door)
    return reply(Token(token=token))


@router.put("/v3/identity/token", response_model=Token, openapi_extra=takes(Token))
@router.put("/v2/identity/token", response_model=Token, include_in_schema=False)
async def refresh(request: Request, parts: PartsOf) -> Response:
    """Give a new token for one that is still good."""
    old = understand(Token, await read_json(request, LARGEST_BODY))
    return reply(Token(token=await run_in_threadpool(parts.identity.refresh, old.token)))
