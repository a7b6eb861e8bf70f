"""The plugin's application: the JSON API under ``/api``, and the pages. Airflow decides who may read and edit."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from airflow_dlaas.exceptions import ContainerNotFound, DlaasError, NotFound, ObjectNotFound
from airflow_dlaas.plugin import pages
from airflow_dlaas.plugin.airflow_api_client import AirflowApiError
from airflow_dlaas.plugin.lookup import TrainingLookup, TrainingNotFound, TrainingUnavailable
from airflow_dlaas.plugin.result_stores import ResultStores
from airflow_dlaas.plugin.results import ResultsUnavailable
from airflow_dlaas.plugin.routes import curves, data, failure, listings, log, notes, results, task, usage, usage_report
from airflow_dlaas.plugin.routes.dependencies import forbid_caching


def create_app(lookup: TrainingLookup | None = None, result_stores: ResultStores | None = None) -> FastAPI:
    """Create the application that Airflow's API server mounts."""
    app = FastAPI(title="DLaaS", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.lookup = lookup or TrainingLookup()
    app.state.result_stores = result_stores or ResultStores()
    app.add_exception_handler(ResultsUnavailable, _respond_to_error)
    app.add_exception_handler(AirflowApiError, _respond_to_error)
    app.add_exception_handler(TrainingNotFound, _respond_to_error)
    app.add_exception_handler(TrainingUnavailable, _respond_to_error)
    app.add_exception_handler(DlaasError, _respond_to_error)
    api = APIRouter(prefix="/api", dependencies=[Depends(forbid_caching)])
    for module in (task, curves, usage, log, failure, results, data, notes, listings, usage_report):
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(pages.router)
    return app


async def _respond_to_error(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=_status(error))


def _status(error: Exception) -> int:
    match error:
        case AirflowApiError():
            return error.status
        case TrainingNotFound() | ResultsUnavailable() | NotFound() | ObjectNotFound() | ContainerNotFound():
            return 404
        case _:  # the service does not answer, or refuses the connection's credentials
            return 502
