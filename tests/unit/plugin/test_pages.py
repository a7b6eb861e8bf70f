from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from airflow_dlaas.plugin import pages


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.include_router(pages.router)
    return TestClient(app)


@pytest.mark.parametrize("spelling", ["{}", "W/{}"])
def test_asset_that_the_browser_has_is_answered_with_304(client: TestClient, spelling: str) -> None:
    first = client.get("/assets/dlaas.js")
    assert first.status_code == 200
    again = client.get("/assets/dlaas.js", headers={"If-None-Match": spelling.format(first.headers["etag"])})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/assets/dlaas.js", headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize("name", ["../index.html", "%2e%2e%2findex.html", "none.js", "dlaas.py"])
def test_path_outside_the_assets_is_not_found(client: TestClient, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code == 404
