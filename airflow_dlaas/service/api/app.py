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
from airflow_dlaas.service.api.dependencies import Parts
from airflow_dlaas.service.api.http_metrics import Counted, Traffic
from airflow_dlaas.service.api.openapi import Api
from airflow_dlaas.service.api.path_slashes import SingleSlashes


def create_api(parts: Parts) -> FastAPI:
    """
    Make the API of *parts*, an ASGI application.

    It keeps nothing but what is in *parts*: several processes may serve the same ones. Long polls and monitors stay
    open for as long as their clients like; the server that runs it should bound how long it waits for them to end.
    """
    api = Api(
        title="airflow-dlaas",
        version=__version__,
        description="The deep-learning REST API, v3, and a service behind it that really trains.",
        redirect_slashes=False,
    )
    api.state.parts = parts
    api.state.since = parts.clock()
    api.state.logins = tokens.logins()
    api.state.gatherings = metrics.gatherings()
    api.state.monitors = log_stream.Monitors(lambda: api.state.parts.store)
    for room in (health, prometheus, tokens, runtimes, experiments, models, metrics, log_stream):
        api.include_router(room.router)
    error_responses.register(api)
    api.state.traffic = Traffic()
    api.add_middleware(Counted, api.state.traffic)
    api.add_middleware(SingleSlashes)
    return api
