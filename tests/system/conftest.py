"""A real Airflow with the example DAGs, and a real service, both started once for all system tests of a worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.service_process import ServiceProcess
from tests.system.browser import UserWindow, launch_browser, logged_in
from tests.system.dags.watch import GROWS
from tests.system.stage import Run, Stage, a_service, an_airflow, eventually, prepared


@pytest.fixture(scope="package")
def live_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """``airflow-dlaas serve`` with its embedded Swift, virtual GPUs, and an additional runtime without installation."""
    with a_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="package")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, live_service: ServiceProcess, postgresql_or_none: str | None
) -> Iterator[RealAirflow]:
    """
    Airflow with scheduler, triggerer, DAG processor and API, connected to `live_service`.

    Its DAG folder (``airflow.dags``) holds the example DAGs; a test may add its own and call `wait_for_dag`.
    """
    with an_airflow(tmp_path_factory.mktemp("airflow"), live_service, postgresql_or_none) as airflow:
        yield airflow


@pytest.fixture(scope="package")
def stage(
    airflow: RealAirflow, live_service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Airflow and the service, with everything that the DAGs in ``dags/holds.py`` need."""
    with prepared(airflow, live_service, tmp_path_factory.mktemp("holds")) as stage:
        yield stage


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one module: while it runs, no other code of the process can have an event loop."""
    with launch_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the screenshots: a temporary one, or ``DLAAS_PICTURES``."""
    folder = Path(os.environ.get("DLAAS_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def growing(stage: Stage) -> Iterator[Run]:
    """A run whose training runs while a test reads the pages."""
    run = stage.begin("hold_deferred", GROWS)
    training = eventually(lambda: run.trainings()[0] if run.trainings() else None, run.describe)
    eventually(lambda: "Iter 390" in run.command_log(training) or None, run.describe)
    yield run
    if run.state() == "deferred":
        run.release(training)
        run.end()


@pytest.fixture
def admin(browser: Browser, stage: Stage, pictures: Path) -> Iterator[UserWindow]:
    """A browser window of a user with all permissions."""
    with logged_in(browser, stage.airflow, "admin", pictures) as look:
        yield look
