"""The ASGI application: all routes, error handlers and middlewares."""

from __future__ import annotations

from fastapi import FastAPI

from airflow_dlaas import __version__
from airflow_dlaas.service.api import (
    error_responses,
    experiments,
    health,
    log_stream,
    logs,
    maintenance,
    metrics,
    models,
    prometheus,
    runtimes,
    tokens,
    usage,
    usage_report,
)
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.api.http_metrics import HttpMetrics, MetricsMiddleware
from airflow_dlaas.service.api.openapi import TAGS, DocumentedFastAPI
from airflow_dlaas.service.api.path_slashes import SingleSlashMiddleware


def create_api(deps: ApiDeps) -> FastAPI:
    """
    Create the API, an ASGI application.

    All persistent state is in *deps*: several processes may serve the same store. Long polls and log streams stay open
    as long as their clients want; the server should limit how long it waits for them at shutdown.
    """
    api = DocumentedFastAPI(
        title="airflow-dlaas",
        version=__version__,
        description="The deep-learning REST API v3, served by a training service that runs the trainings.",
        openapi_tags=TAGS,
        redirect_slashes=False,
        # FastAPI's pages load scripts from a server in the internet; any viewer shows the document.
        docs_url=None,
        redoc_url=None,
    )
    api.state.deps = deps
    api.state.started_at = deps.clock()
    api.state.login_limiter = tokens.create_login_limiter()
    api.state.metrics_cache = metrics.create_metrics_cache()
    api.state.log_streams = log_stream.LogStreams(lambda: api.state.deps.store)
    for module in (
        *(health, prometheus, tokens, runtimes, maintenance, experiments),
        *(models, metrics, usage, usage_report, logs, log_stream),
    ):
        api.include_router(module.router)
    error_responses.register_error_handlers(api)
    api.state.http_metrics = HttpMetrics()
    api.add_middleware(MetricsMiddleware, api.state.http_metrics)
    api.add_middleware(SingleSlashMiddleware)
    return api
