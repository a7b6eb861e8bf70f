"""Whether the service answers at all."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from airflow_dlaas import __version__
from airflow_dlaas.service.api.dependencies import PartsOf
from airflow_dlaas.service.api.request_bodies import reply

router = APIRouter(tags=["health"])


@router.get("/health")
def health(parts: PartsOf) -> Response:
    """Answer, if the database does; nobody is asked who they are."""
    parts.store.revision()
    return reply({"status": "ok", "version": __version__})
