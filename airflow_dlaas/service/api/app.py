"""All routes together."""

from __future__ import annotations

from fastapi import FastAPI

from airflow_dlaas import __version__
from airflow_dlaas.service.api import (
    error_responses,
    experiments,
    health,
    log_stream,
    metrics,
    models,
    prometheus,
    runtimes,
    tokens,
)
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.api.http_metrics import HttpMetrics, MetricsMiddleware
from airflow_dlaas.service.api.openapi import DocumentedFastAPI
from airflow_dlaas.service.api.path_slashes import SingleSlashMiddleware


def create_api(deps: ApiDeps) -> FastAPI:
    """
    Make the API of *deps*, an ASGI application.

    It keeps nothing but what is in *deps*: several processes may serve the same ones. Long polls and monitors stay
    open for as long as their clients like; the server that runs it should bound how long it waits for them to end.
    """
    api = DocumentedFastAPI(
        title="airflow-dlaas",
        version=__version__,
        description="The deep-learning REST API, v3, and a service behind it that really trains.",
        redirect_slashes=False,
    )
    api.state.deps = deps
    api.state.started_at = deps.clock()
    api.state.login_limiter = tokens.create_login_limiter()
    api.state.metrics_cache = metrics.create_metrics_cache()
    api.state.log_streams = log_stream.LogStreams(lambda: api.state.deps.store)
    for room in (health, prometheus, tokens, runtimes, experiments, models, metrics, log_stream):
        api.include_router(room.router)
    error_responses.register_error_handlers(api)
    api.state.http_metrics = HttpMetrics()
    api.add_middleware(MetricsMiddleware, api.state.http_metrics)
    api.add_middleware(SingleSlashMiddleware)
    return api
