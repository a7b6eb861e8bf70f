"""Tokens: for a password, and for a token that is about to expire."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.contract.words import Word
from airflow_dlaas.service.api.bodies import read_json, reply, understand
from airflow_dlaas.service.api.parts import PartsOf

router = APIRouter(tags=["identity"])

LARGEST_BODY = 16 * 1024
"""Bytes; a token has some hundred."""


class Token(Word):
    """A token, on its way in either direction."""

    token: str


@router.get("/v3/identity/token", response_model=Token)
@router.get("/v2/identity/token", response_model=Token, include_in_schema=False)
def log_in(request: Request, parts: PartsOf) -> Response:
    """Give a token for HTTP Basic credentials."""
    address = request.client.host if request.client else ""
    return reply(Token(token=parts.identity.log_in(request.headers.get("authorization"), address)))


@router.put("/v3/identity/token", response_model=Token)
@router.put("/v2/identity/token", response_model=Token, include_in_schema=False)
async def refresh(request: Request, parts: PartsOf) -> Response:
    """Give a new token for one that is still good."""
    old = understand(Token, await read_json(request, LARGEST_BODY))
    return reply(Token(token=await run_in_threadpool(parts.identity.refresh, old.token)))
