from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

from airflow_dlaas.plugin.asgi import LazyApp
from airflow_dlaas.plugin.asgi_types import AIRFLOW_APP_KEY


def test_lazy_app_adds_airflow_s_application_to_the_scope() -> None:
    lazy_app, received = LazyApp("/dlaas"), {}

    async def mounted(scope: Any, _receive: Any, _send: Any) -> None:
        received.update(scope)

    lazy_app.__dict__["_app"] = mounted
    asyncio.run(lazy_app({"type": "http", "app": "airflow itself"}, None, None))  # type: ignore[arg-type]
    assert received[AIRFLOW_APP_KEY] == "airflow itself"


def test_operators_and_the_registration_import_no_route_and_no_cache() -> None:
    """Every Airflow process imports the registration; DAG files import the operators at each parse."""
    code = (
        "import sys, airflow_dlaas.operators.training, airflow_dlaas.plugin.registration\n"
        "loaded = [name for name in sys.modules if name.startswith('airflow_dlaas.plugin.')]\n"
        "print(sorted(loaded))"
    )
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == str(
        ["airflow_dlaas.plugin.asgi", "airflow_dlaas.plugin.asgi_types", "airflow_dlaas.plugin.registration"]
    )
