"""Whether the service answers at all."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from airflow_dlaas import __version__
from airflow_dlaas.service.api.dependencies import Deps
from airflow_dlaas.service.api.request_bodies import json_response

router = APIRouter(tags=["health"])


@router.get("/health")
def health(deps: Deps) -> Response:
    """Answer, if the database does; nobody is asked who they are."""
    deps.store.current_revision()
    return json_response({"status": "ok", "version": __version__})
