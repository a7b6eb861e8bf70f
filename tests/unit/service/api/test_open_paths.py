"""Paths that need no token."""

from __future__ import annotations

import re

from fastapi.routing import APIRoute
from starlette.routing import Route

OPEN = {"/health", "/metrics", "/openapi.json"}


def test_paths_without_a_token_are_these_only(service) -> None:
    api = service.client.app
    open_paths = set()
    for route in api.routes:
        if isinstance(route, Route | APIRoute):
            path = re.sub(r"\{.*?\}", "x", route.path)
            for method in route.methods or ():
                answer = service.client.request(method, path, headers={"Authorization": ""})
                if answer.status_code < 400:
                    open_paths.add(path)
    assert open_paths == OPEN
