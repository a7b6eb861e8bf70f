from __future__ import annotations

import asyncio

from fastapi import FastAPI, Request

from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.asgi_types import AIRFLOW_APP_KEY


def test_airflow_api_client_passes_on_only_the_credential_headers() -> None:
    airflow, received = FastAPI(), []

    @airflow.get("/api/v2/dags/{dag_id}")
    def dag(request: Request, dag_id: str) -> str:
        received.extend(request.headers)
        return dag_id

    sent = [(b"cookie", b"_token=t"), (b"authorization", b"Bearer t"), (b"x-forwarded-for", b"1.2.3.4")]
    request = Request({"type": "http", "headers": sent, AIRFLOW_APP_KEY: airflow})
    api = AirflowApiClient.from_request(request, "anna")
    assert asyncio.run(api.get("dags", "a b")) == "a b"
    assert {"cookie", "authorization"} <= set(received)
    assert "x-forwarded-for" not in received
