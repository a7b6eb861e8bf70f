"""All routes together."""

from __future__ import annotations

from fastapi import FastAPI

from airflow_dlaas import __version__
from airflow_dlaas.service.api import (
    curves,
    experiments,
    health,
    models,
    monitor,
    problems,
    prometheus,
    runtimes,
    tokens,
)
from airflow_dlaas.service.api.described import Api
from airflow_dlaas.service.api.parts import Parts
from airflow_dlaas.service.api.slashes import SingleSlashes
from airflow_dlaas.service.api.traffic import Counted, Traffic


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
    api.state.gatherings = curves.gatherings()
    api.state.monitors = monitor.Monitors(lambda: api.state.parts.store)
    for room in (health, prometheus, tokens, runtimes, experiments, models, curves, monitor):
        api.include_router(room.router)
    problems.register(api)
    api.state.traffic = Traffic()
    api.add_middleware(Counted, api.state.traffic)
    api.add_middleware(SingleSlashes)
    return api
