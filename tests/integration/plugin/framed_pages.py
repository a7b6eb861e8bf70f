"""The plugin's pages in a frame, as Airflow shows them, over documents that a test writes; no Airflow, no service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from airflow_dlaas.demo import ports
from airflow_dlaas.plugin import pages
from airflow_dlaas.plugin.response_models import CurvesResponse, TrainingList
from airflow_dlaas.plugin.usage_models import UsageReports
from tests.waiting import until

# Airflow's page: its sandbox, the class that names the theme, and the frame's URL in the rest of its own path, which it
# uses for entries of the navigation only.
AIRFLOW_PAGE = """<!doctype html>
<html class="{theme}"><title>Airflow</title><body style="margin:0">
<iframe sandbox="allow-scripts allow-same-origin allow-forms allow-downloads" src="{frame}"
 style="border:none;display:block;width:100vw;height:100vh"></iframe></body></html>"""


@dataclass
class FramedPages:
    """What the pages show, and the address where a browser finds them."""

    url: str
    listings: dict[str, TrainingList] = field(default_factory=dict)
    """The lists by page: ``run``, ``dag`` and ``trainings``."""
    curves: dict[str, CurvesResponse] = field(default_factory=dict)
    """By training id."""
    usage: dict[str, UsageReports] = field(default_factory=dict)
    """The GPU-hours by ``dag`` and ``state``."""
    theme: str = "light"

    def app(self) -> FastAPI:
        """Return the application: pages and their JSON below ``/dlaas``, and Airflow's page around them."""
        plugin = FastAPI()
        plugin.include_router(pages.router)

        @plugin.get("/api/curves")
        def curves(training_id: str) -> CurvesResponse:
            return self.curves.get(training_id, CurvesResponse(version="0", series=[], complete=True))

        @plugin.get("/api/usage_report")
        def usage_report(by: str) -> UsageReports:
            return self.usage[by]

        @plugin.get("/api/{page}")
        def listing(page: str) -> TrainingList:
            return self.listings[page]

        app = FastAPI()
        app.mount("/dlaas", plugin)

        @app.get("/plugin/dlaas-trainings/{rest:path}")
        def in_navigation(request: Request, rest: str) -> HTMLResponse:
            return self._airflow_page(f"/{rest or 'dlaas/trainings'}", request.url.query)

        @app.get("/dags/{dag_id}/plugin/dlaas-dag")
        def dag_tab(dag_id: str) -> HTMLResponse:
            return self._airflow_page("/dlaas/dag", urlencode({"dag_id": dag_id}))

        @app.get("/dags/{dag_id}/runs/{run_id}/plugin/dlaas-run")
        def run_tab(dag_id: str, run_id: str) -> HTMLResponse:
            return self._airflow_page("/dlaas/run", urlencode({"dag_id": dag_id, "run_id": run_id}))

        return app

    def _airflow_page(self, path: str, query: str) -> HTMLResponse:
        return HTMLResponse(AIRFLOW_PAGE.format(theme=self.theme, frame=f"{path}?{query}".replace("&", "&amp;")))


@contextmanager
def framed_pages() -> Iterator[FramedPages]:
    """Serve the pages from a thread at a free port."""
    (port,) = ports.find_free_ports()[:1]
    served = FramedPages(f"http://127.0.0.1:{port}")
    server = uvicorn.Server(uvicorn.Config(served.app(), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        yield served
    finally:
        server.should_exit = True
        thread.join()
