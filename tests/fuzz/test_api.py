"""The API, asked whatever its own OpenAPI lets one ask, and what it does not."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from airflow_dlaas.contract.error import ERROR_CODES, ErrorReport
from airflow_dlaas.service.api import experiments, health, metrics, models, prometheus, runtimes, tokens
from airflow_dlaas.service.api.app import create_api
from tests.fuzz.conftest import kept
from tests.fuzz.effort import effort
from tests.unit.service.api.conftest import DEFINITION, Service, a_zip

schemathesis = pytest.importorskip("schemathesis", reason="needs Python 3.11")
from schemathesis.python.asgi import get_client  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.serialization import Binary  # noqa: E402


@schemathesis.serializer("application/zip")
def as_it_is(_context: Any, value: Any) -> bytes:
    """A zip goes as its bytes; whatever else is thrown at it, as some."""
    if isinstance(value, Binary):
        return bytes(value.data)
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


OPERATIONS = sorted(
    (method, route.path)
    for room in (health, prometheus, tokens, runtimes, experiments, models, metrics)
    for route in room.router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in route.methods
)

EFFORT = 5.0
"""Seconds of a processor that an answer may take. Not of the clock: what else the machine does costs nothing here."""


@dataclass
class Fuzzed:
    """The API as schemathesis sees it, and what lies in it already."""

    service: Service
    app: FastAPI
    schema: Any
    experiment: dict[str, Any]
    training: str

    @property
    def token(self) -> str:
        return str(self.service.client.headers["Authorization"])

    def strategy(self, method: str, path: str) -> st.SearchStrategy[Any]:
        """Requests to an operation: some as described, some not, and some about what is really there."""
        operation = self.schema[path][method]
        modes = schemathesis.GenerationMode
        told = operation.as_strategy(generation_mode=modes.POSITIVE).map(self._acquainted)
        if not (operation.body or operation.path_parameters or operation.query or operation.headers):
            return told
        twisted = operation.as_strategy(generation_mode=modes.NEGATIVE)
        return st.one_of(told, twisted, twisted.map(self._acquainted), operation.as_strategy())

    def _acquainted(self, case: Any) -> Any:
        known = {
            "experiment_id": self.experiment["metadata"]["guid"],
            "version_id": self.experiment["entity"]["experiment_version"]["guid"],
            "training_id": self.training,
        }
        case.path_parameters = {name: known.get(name, value) for name, value in (case.path_parameters or {}).items()}
        if isinstance(case.body, dict) and isinstance(case.body.get("model_definition"), dict):
            model = case.body["model_definition"]
            model["definition_location"] = self.experiment["entity"]["experiment_version"]["url"]
            model["framework"] = dict(DEFINITION["model_definition"]["framework"])
            for data in case.body.get("training_data") or []:
                if isinstance(data, dict) and isinstance(data.get("connection"), dict):
                    data["connection"]["auth_url"] = DEFINITION["training_data"][0]["connection"]["auth_url"]
        return case


@pytest.fixture(scope="module")
def described(api: Service) -> Any:
    """The API's schema, and an API of its own to ask: the other one belongs to another event loop."""
    app = create_api(api.parts)
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    return schema


@pytest.fixture
def fuzzed(api: Service, described: Any) -> Fuzzed:
    return Fuzzed(api, described.app, described, api.experiment(a_zip()), api.submit())


def ask(fuzzed: Fuzzed, case: Any, authorization: str | None) -> Any:
    """Send *case*; what comes back was held against the OpenAPI, and a refusal against the envelope."""
    if isinstance(case.query, dict) and "wait" in case.query:
        case.query["wait"] = 0
    case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
    if authorization is not None:
        case.headers["Authorization"] = authorization
    before = kept(fuzzed.service)
    begun = time.process_time()
    with get_client(fuzzed.app, max_stream_events=1) as client:
        response = case.call(session=client)
    assert time.process_time() - begun < EFFORT
    assert response.status_code < 500, (case.as_curl_command(), response.content[:500])
    case.validate_response(
        response, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
    )
    if response.status_code >= 400:
        insist_on_envelope(response.content)
        assert kept(fuzzed.service) == before, "a refused request left something behind"
    return response


def insist_on_envelope(content: bytes) -> None:
    problem = ErrorReport.model_validate_json(content)
    assert re.fullmatch(r"[0-9a-f]{32}", problem.trace)
    assert problem.errors
    assert all(one.code in ERROR_CODES and one.message for one in problem.errors)
    assert len(content) < 100_000


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_the_openapi_says(fuzzed: Fuzzed, method: str, path: str) -> None:
    seen: set[int] = set()

    @effort(40)
    @given(fuzzed.strategy(method, path))
    def look(case: Any) -> None:
        password = path.endswith("/identity/token")
        seen.add(ask(fuzzed, case, None if password else fuzzed.token).status_code)

    look()
    assert seen


@pytest.mark.parametrize(
    ("method", "path"), [one for one in OPERATIONS if one[1].startswith("/v3") and "token" not in one[1]]
)
def test_who_has_no_token_learns_nothing_and_changes_nothing(fuzzed: Fuzzed, method: str, path: str) -> None:
    before = kept(fuzzed.service)

    @effort(10)
    @given(fuzzed.strategy(method, path), st.sampled_from([None, "Bearer x.y.z", "Basic eDp5", "Bearer", "x" * 5000]))
    def look(case: Any, authorization: str | None) -> None:
        # A path that can't be one, and a method that isn't there, are told to everybody.
        assert ask(fuzzed, case, authorization).status_code in {401, 404, 405}

    look()
    assert kept(fuzzed.service) == before


@pytest.mark.parametrize("path", ["/v3/models", "/v3/ml_assets/experiments", "/v3/models/{training}"])
@effort(60)
@given(data=st.data())
def test_any_bytes_for_a_body_are_taken_or_refused(api: Service, path: str, data: st.DataObject) -> None:
    nested = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    )
    body = data.draw(
        st.one_of(
            st.binary(max_size=200),
            st.text(max_size=100).map(str.encode),
            nested.map(lambda value: repr(value).replace("'", '"').replace("None", "null").encode(errors="replace")),
            st.integers(1, 5000).map(lambda depth: b'{"name":' + b"[" * depth),
            st.sampled_from([b"1e999", b"[-1e999]", b'"\\ud800"', b"9" * 5000, b"\xef\xbb\xbf{}", b"{}{}", b"\x00"]),
        )
    )
    method = "PATCH" if "training" in path else "POST"
    response = api.client.request(method, path.format(training="training-000000000"), content=body)
    if response.status_code >= 400:
        insist_on_envelope(response.content)
    assert response.status_code < 500, (body, response.content)


HUGE = [
    pytest.param("{" + ",".join(f'"{number}": 1' for number in range(50_000)) + "}", id="unknown keys"),
    pytest.param('{"%s": 1}' % ("k" * 900_000), id="one long key"),
    pytest.param('{"training_data": [%s{}]}' % ("{}," * 300_000), id="empty containers"),
    pytest.param("[" * 190 + "1," * 300_000 + "1" + "]" * 190, id="a deep list"),
    pytest.param('{"name": "%s"}' % ("é" * 400_000), id="a long text"),
]


@pytest.mark.parametrize("body", HUGE)
@pytest.mark.parametrize("path", ["/v3/models", "/v3/ml_assets/experiments"])
def test_a_refusal_is_never_many_times_what_was_sent(api: Service, path: str, body: str) -> None:
    begun = time.process_time()
    response = api.client.post(path, content=body)
    assert response.status_code == 400
    insist_on_envelope(response.content)
    assert time.process_time() - begun < EFFORT


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_that_json_cannot_give_back_is_refused(api: Service, number: str) -> None:
    draft = '{"name": "x", "framework": {"name": "torch", "version": "1"}, "author": {"a": [{"b": NUMBER}]}}'
    body = draft.replace("NUMBER", number)
    assert api.client.post("/v3/ml_assets/experiments", content=body).status_code == 400


RANGES = st.one_of(
    st.from_regex(r"(bytes|items|)[=:]?[-0-9, x]{0,12}", fullmatch=True),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=40).map(
        lambda pairs: "bytes=" + ",".join(f"{first}-{last}" for first, last in pairs)
    ),
    st.sampled_from(["bytes=" + "9" * 5000 + "-", "bytes=0-" + "9" * 5000, "bytes=" + "0-0," * 5000, "bytes=--5"]),
)


@effort(200)
@given(RANGES)
def test_any_range_of_a_zip_is_that_range_or_the_whole(fuzzed: Fuzzed, said: str) -> None:
    url = fuzzed.experiment["entity"]["experiment_version"]["content_url"]
    response = fuzzed.service.client.get(url, headers={"Range": said})
    whole = a_zip()
    if response.status_code == 206:
        first, last = map(int, re.findall(r"\d+", response.headers["content-range"])[:2])
        assert response.content == whole[first : last + 1]
    else:
        assert (response.status_code, response.content) == (200, whole)


@effort(60)
@given(
    st.sampled_from(
        ["authorization", "host", "content-type", "content-length", "idempotency-key", "if-range", "accept"]
    ),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=300),
)
def test_no_header_makes_the_service_fail(api: Service, name: str, value: str) -> None:
    headers = [(name.encode(), value.encode("latin-1"))]
    if name != "authorization":
        headers.append((b"authorization", api.client.headers["Authorization"].encode()))
    for method, path in (("GET", "/v3/ml_assets/experiments"), ("POST", "/v3/models"), ("GET", "/v3/identity/token")):
        response = api.client.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
        assert response.status_code < 500
        if response.status_code >= 400:
            insist_on_envelope(response.content)


def test_the_openapi_describes_every_body_and_refusal(fuzzed: Fuzzed) -> None:
    document = fuzzed.app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            has_body = method in {"post", "put", "patch"} and not path.endswith("/acknowledgement")
            assert ("requestBody" in operation) == has_body, (method, path)
            assert {"4XX", "5XX"} <= set(operation["responses"])
            assert "422" not in operation["responses"]
    definition = {**document["components"]["schemas"]["TrainingDefinition"], "components": document["components"]}
    assert list(Draft202012Validator(definition).iter_errors(DEFINITION | {"zzz": 1}))
    fine = fuzzed.service.definition()
    assert not list(Draft202012Validator(definition).iter_errors(fine))
