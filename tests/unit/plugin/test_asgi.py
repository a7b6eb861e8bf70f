from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI, Request

from airflow_dlaas.exceptions import DlaasError, NotConfigured
from airflow_dlaas.hooks.connections import ServiceConnection
from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.asgi import AIRFLOW_APP_KEY, LazyApp
from airflow_dlaas.plugin.services import ServiceClients, read_airflow_connection


def test_of_a_request_only_what_says_who_asks_goes_on_to_airflow() -> None:
    airflow, seen = FastAPI(), []

    @airflow.get("/api/v2/dags/{dag_id}")
    def dag(request: Request, dag_id: str) -> str:
        seen.extend(request.headers)
        return dag_id

    sent = [(b"cookie", b"_token=t"), (b"authorization", b"Bearer t"), (b"x-forwarded-for", b"1.2.3.4")]
    api = AirflowApiClient.from_request(Request({"type": "http", "headers": sent, AIRFLOW_APP_KEY: airflow}))
    assert asyncio.run(api.get("dags", "a b")) == "a b"
    assert {"cookie", "authorization"} <= set(seen)
    assert "x-forwarded-for" not in seen


def test_the_application_that_came_through_the_door_is_kept() -> None:
    door, met = LazyApp("/dlaas"), {}

    async def inside(scope: Any, _receive: Any, _send: Any) -> None:
        met.update(scope)

    door.__dict__["_app"] = inside
    asyncio.run(door({"type": "http", "app": "airflow itself"}, None, None))  # type: ignore[arg-type]
    assert met[AIRFLOW_APP_KEY] == "airflow itself"


def test_a_connection_of_another_type_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "postgres", "host": "db", "login": "u", "password": "geheim"}
    monkeypatch.setenv("AIRFLOW_CONN_DATABASE", json.dumps(fields))
    with pytest.raises(NotConfigured, match="of type 'postgres', but must be of type 'dlaas'") as refused:
        read_airflow_connection("database")
    assert "geheim" not in str(refused.value)


def test_a_connection_that_is_gone_is_said_to_be() -> None:
    with pytest.raises(NotConfigured, match="no connection 'nobody'"):
        read_airflow_connection("nobody")


def test_where_a_service_is_stays_on_the_server() -> None:
    services = ServiceClients(lambda _: ServiceConnection("http://127.0.0.1:9/under", "ann", "geheim"))
    with pytest.raises(DlaasError, match="'c'") as away:
        services.list_trainings("c")
    assert not any(word in str(away.value) for word in ("127.0.0.1", "under", "geheim"))
