"""Route of the health check."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from airflow_dlaas import __version__
from airflow_dlaas.service.api.dependencies import Deps
from airflow_dlaas.service.api.request_bodies import json_response

router = APIRouter(tags=["monitoring"])


@router.get("/health", summary="Health check")
def health(deps: Deps) -> Response:
    """Return status and version, if the service can read its database. No token is needed."""
    deps.store.current_revision()
    return json_response({"status": "ok", "version": __version__})
