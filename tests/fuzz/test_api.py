"""Requests to the API, generated from its OpenAPI document, valid ones and invalid ones."""

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
from airflow_dlaas.service.api import experiments, health, logs, metrics, models, prometheus, runtimes, tokens, usage
from airflow_dlaas.service.api.app import create_api
from tests.fuzz.conftest import stored_state
from tests.fuzz.effort import effort
from tests.unit.service.api.conftest import DEFINITION, Service, make_zip

schemathesis = pytest.importorskip("schemathesis", reason="needs Python 3.11")
from schemathesis.python.asgi import get_client  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.serialization import Binary  # noqa: E402


@schemathesis.serializer("application/zip")
def zip_bytes(_context: Any, value: Any) -> bytes:
    """Send a zip as its bytes, and any other generated value as some bytes."""
    if isinstance(value, Binary):
        return bytes(value.data)
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


OPERATIONS = sorted(
    (method, route.path)
    for module in (health, prometheus, tokens, runtimes, experiments, models, metrics, usage, logs)
    for route in module.router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in route.methods
)

EFFORT = 5.0
"""CPU seconds that a response may take. CPU time does not depend on the load of the machine, as elapsed time does."""


@dataclass
class Fuzzed:
    """The API as schemathesis calls it, with an experiment and a training in it."""

    service: Service
    app: FastAPI
    schema: Any
    experiment: dict[str, Any]
    training: str

    @property
    def token(self) -> str:
        return str(self.service.client.headers["Authorization"])

    def strategy(self, method: str, path: str) -> st.SearchStrategy[Any]:
        """Requests to an operation: valid ones, invalid ones, and some with ids that exist."""
        operation = self.schema[path][method]
        modes = schemathesis.GenerationMode
        valid = operation.as_strategy(generation_mode=modes.POSITIVE).map(self._with_existing_ids)
        if not (operation.body or operation.path_parameters or operation.query or operation.headers):
            return valid
        invalid = operation.as_strategy(generation_mode=modes.NEGATIVE)
        return st.one_of(valid, invalid, invalid.map(self._with_existing_ids), operation.as_strategy())

    def _with_existing_ids(self, case: Any) -> Any:
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
    """The API's schema, with an application of its own: that of the other tests belongs to another event loop."""
    app = create_api(api.deps)
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    return schema


@pytest.fixture
def fuzzed(api: Service, described: Any) -> Fuzzed:
    return Fuzzed(api, described.app, described, api.experiment(make_zip()), api.submit())


def send_and_check(fuzzed: Fuzzed, case: Any, authorization: str | None) -> Any:
    """Send *case*; check the response against the OpenAPI document, and an error against the error report."""
    if isinstance(case.query, dict) and "wait" in case.query:
        case.query["wait"] = 0
    case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
    if authorization is not None:
        case.headers["Authorization"] = authorization
    before = stored_state(fuzzed.service)
    begun = time.process_time()
    with get_client(fuzzed.app, max_stream_events=1) as client:
        response = case.call(session=client)
    assert time.process_time() - begun < EFFORT
    assert response.status_code < 500, (case.as_curl_command(), response.content[:500])
    case.validate_response(
        response, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
    )
    if response.status_code >= 400:
        require_error_report(response.content)
        assert stored_state(fuzzed.service) == before, "a refused request changed what the service stores"
    return response


def require_error_report(content: bytes) -> None:
    report = ErrorReport.model_validate_json(content)
    assert re.fullmatch(r"[0-9a-f]{32}", report.trace)
    assert report.errors
    assert all(one.code in ERROR_CODES and one.message for one in report.errors)
    assert len(content) < 100_000


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_responses_conform_to_the_openapi_document(fuzzed: Fuzzed, method: str, path: str) -> None:
    seen: set[int] = set()

    @effort(40)
    @given(fuzzed.strategy(method, path))
    def check(case: Any) -> None:
        password = path.endswith("/identity/token")
        seen.add(send_and_check(fuzzed, case, None if password else fuzzed.token).status_code)

    check()
    assert seen


@pytest.mark.parametrize(
    ("method", "path"), [one for one in OPERATIONS if one[1].startswith("/v3") and "token" not in one[1]]
)
def test_requests_without_a_token_are_refused_and_change_nothing(fuzzed: Fuzzed, method: str, path: str) -> None:
    before = stored_state(fuzzed.service)

    @effort(10)
    @given(fuzzed.strategy(method, path), st.sampled_from([None, "Bearer x.y.z", "Basic eDp5", "Bearer", "x" * 5000]))
    def check(case: Any, authorization: str | None) -> None:
        # A path that does not exist and a method that is not allowed are reported without a token.
        assert send_and_check(fuzzed, case, authorization).status_code in {401, 404, 405}

    check()
    assert stored_state(fuzzed.service) == before


@pytest.mark.parametrize(
    "path", ["/v3/models", "/v3/ml_assets/experiments", "/v3/models/{training}", "/v3/models/{training}/annotations"]
)
@effort(60)
@given(data=st.data())
def test_any_body_is_accepted_or_refused(api: Service, path: str, data: st.DataObject) -> None:
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
    method = "PUT" if "annotations" in path else "PATCH" if "training" in path else "POST"
    response = api.client.request(method, path.format(training="training-000000000"), content=body)
    if response.status_code >= 400:
        require_error_report(response.content)
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
def test_refusal_is_small_and_fast_for_large_bodies(api: Service, path: str, body: str) -> None:
    begun = time.process_time()
    response = api.client.post(path, content=body)
    assert response.status_code == 400
    require_error_report(response.content)
    assert time.process_time() - begun < EFFORT


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_infinite_numbers_are_refused(api: Service, number: str) -> None:
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
def test_any_range_header_returns_the_range_or_the_whole_zip(fuzzed: Fuzzed, range_header: str) -> None:
    url = fuzzed.experiment["entity"]["experiment_version"]["content_url"]
    response = fuzzed.service.client.get(url, headers={"Range": range_header})
    whole = make_zip()
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
def test_headers_never_cause_a_server_error(api: Service, name: str, value: str) -> None:
    headers = [(name.encode(), value.encode("latin-1"))]
    if name != "authorization":
        headers.append((b"authorization", api.client.headers["Authorization"].encode()))
    for method, path in (("GET", "/v3/ml_assets/experiments"), ("POST", "/v3/models"), ("GET", "/v3/identity/token")):
        response = api.client.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
        assert response.status_code < 500
        if response.status_code >= 400:
            require_error_report(response.content)


def test_openapi_document_describes_bodies_and_errors(fuzzed: Fuzzed) -> None:
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
