"""Error responses: each is an error report."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter
from starlette.requests import HTTPConnection

from airflow_dlaas.contract.definition_keys import DEFINITION_KEYS
from airflow_dlaas.contract.error import ERROR_CODES, ErrorReport, parse_api_error
from airflow_dlaas.contract.instance import Extensions, Runtime
from airflow_dlaas.service.api.error_responses import error_response
from tests.unit.contract.test_validation_messages import LIBRARY

EXPERIMENTS = "/v3/ml_assets/experiments"


def the_error(reply) -> dict[str, object]:
    problem = TypeAdapter(ErrorReport).validate_json(reply.content)
    assert re.fullmatch(r"[0-9a-f]{32}", problem.trace)
    return problem.errors[0].model_dump()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v3/nothing", 404, "not_found"),
        ("GET", "/v3/models/", 404, "not_found"),
        ("GET", "/v3/models/training-000000000", 404, "not_found"),
        ("GET", "/v3/models/%00", 404, "not_found"),
        ("GET", "/v3/models/%ff%fe", 404, "not_found"),
        ("DELETE", "/v3/models/training-000000000", 404, "not_found"),
        ("GET", f"{EXPERIMENTS}/none", 404, "not_found"),
        ("GET", f"{EXPERIMENTS}/none/versions", 404, "not_found"),
        ("GET", f"{EXPERIMENTS}/none/versions/none", 404, "not_found"),
        ("GET", f"{EXPERIMENTS}/none/content", 404, "not_found"),
        ("PUT", f"{EXPERIMENTS}/none/versions/none/content", 404, "not_found"),
        ("DELETE", f"{EXPERIMENTS}/none", 404, "not_found"),
        ("PUT", "/v3/models", 405, "method_not_allowed"),
        ("POST", "/v3/identity/token", 405, "method_not_allowed"),
        ("TRACE", "/health", 405, "method_not_allowed"),
        ("GET", "/v3/models?limit=0", 400, "invalid_query_parameter_value"),
        ("GET", "/v3/models?limit=1001", 400, "invalid_query_parameter_value"),
        ("GET", "/v3/models?limit=ten", 400, "invalid_query_parameter_value"),
        ("GET", "/v3/models?start=training-000000000", 400, "invalid_query_parameter_value"),
        ("GET", "/v3/models?start=%00", 400, "invalid_query_parameter_value"),
        ("GET", "/v3/models?after=-1", 400, "invalid_query_parameter_value"),
        ("GET", "/v3/models?after=99999999999999999999", 400, "invalid_query_parameter_value"),
        ("GET", "/v3/models?after=0&wait=31", 400, "invalid_query_parameter_value"),
        ("GET", "/v3/models?after=0&wait=nan", 400, "invalid_query_parameter_value"),
    ],
)
def test_every_refusal_is_an_error_report(service, method: str, path: str, status: int, code: str) -> None:
    reply = service.client.request(method, path)
    assert (reply.status_code, the_error(reply)["code"]) == (status, code)


def test_invalid_query_parameter_is_named(service) -> None:
    error = the_error(service.client.get("/v3/models?limit=ten"))
    assert error["target"] == {"type": "query", "name": "limit"}


@pytest.mark.parametrize(
    "query",
    [
        "limit=ten",
        "limit=1.5",
        "limit=0",
        "limit=99999",
        "wait=x",
        "wait=99",
        "wait=-1",
        "wait=nan",
        "after=x",
        "start=!",
    ],
)
def test_invalid_query_parameter_has_a_message_of_the_project(service, query: str) -> None:
    error = the_error(service.client.get(f"/v3/models?{query}"))
    assert error["message"].startswith(f"{query.partition('=')[0]}: must ")
    assert not LIBRARY.search(error["message"])


def test_wrong_method_gets_an_allow_header(service) -> None:
    assert service.client.put("/health").headers["Allow"] == "GET"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b"[" * 5000,
        b'{"a":' * 1000,
        b'{"model_definition": NaN}',
        b'{"model_definition": "\\ud800"}',
        b"1" * 5000,
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b"\x1f\x8b\x08",
    ],
)
@pytest.mark.parametrize("path", ["/v3/models", EXPERIMENTS])
def test_malformed_body_is_a_bad_request(service, path: str, body: bytes) -> None:
    reply = service.client.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert reply.status_code == 400
    the_error(reply)


def test_body_with_a_large_content_length_is_refused(service) -> None:
    reply = service.client.post("/v3/models", content=b"{" + b" " * 20_000)
    assert (reply.status_code, the_error(reply)["code"]) == (413, "payload_too_large")


def test_chunked_body_is_refused_above_the_limit(service) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 1000

    reply = service.client.post("/v3/models", content=endless())
    assert (reply.status_code, the_error(reply)["code"]) == (413, "payload_too_large")


def test_request_without_a_token_is_refused_before_its_body_is_read(service) -> None:
    reply = service.client.post("/v3/models", content=b" " * 50_000, headers={"Authorization": "Bearer x"})
    assert reply.status_code == 401


class Broken:
    """A catalogue with a programming error."""

    def list_runtimes(self) -> tuple[Runtime, ...]:
        raise IsADirectoryError("secret place")


@pytest.mark.parametrize("service", [{"catalogue": Broken()}], indirect=True)
def test_unexpected_error_is_logged_and_hidden_from_the_client(service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        reply = service.client.get("/v3/runtimes")
    assert (reply.status_code, the_error(reply)["code"]) == (500, "underlying_api_error")
    assert "IsADirectory" not in reply.text
    assert reply.json()["trace"] in caplog.text
    assert "IsADirectoryError" in caplog.text


def test_invalid_host_header_is_harmless(service) -> None:
    for host in ("[::1", "a b", "a:b:c", ""):
        reply = service.client.get(EXPERIMENTS, headers={"Host": host})
        assert reply.status_code in {200, 400}
        assert service.client.post("/v3/models", headers={"Host": host}, json={}).status_code == 400


def test_openapi_pages_are_served(service) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    assert {"/v3/models", "/v3/ml_assets/experiments", "/v3/identity/token"} <= paths.keys()


def test_health_needs_no_token(service) -> None:
    del service.client.headers["Authorization"]
    assert service.client.get("/health").json()["status"] == "ok"


def test_instance_document_lists_the_extensions(service) -> None:
    reply = service.client.get("/v3/wml_instances/any-id").json()
    assert reply["metadata"].keys() == {"guid", "url", "created_at", "modified_at"}
    assert reply["entity"]["status"] == "Active"
    extensions = reply["entity"]["extensions"]
    assert extensions.pop("definition_keys") == list(DEFINITION_KEYS)
    assert extensions.pop("store_types") == ["s3_datastore", "s3", "google_cloud_storage", "mount_volume"]
    assert (extensions.pop("default_results"), extensions.pop("mounts")) == (False, [])
    flags = set(Extensions.model_fields) - {"definition_keys", "store_types", "default_results", "mounts"}
    assert extensions == dict.fromkeys(flags, True)
    assert reply["entity"].keys() >= {"source", "published_models", "deployments", "usage", "plan"}


def test_runtimes_are_listed_with_the_number_of_gpus(service) -> None:
    reply = service.client.get("/v3/runtimes").json()
    assert reply["gpus"] == 2
    assert [one["framework"] for one in reply["resources"]] == ["tensorflow"]


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_api_error_reaches_the_client_as_the_same_class(code: str) -> None:
    sent = ERROR_CODES[code]("No.", code=code, target="a.field", more_info="see there", retry_after=3)
    scope = {"type": "http", "method": "GET", "path": "/v3/models", "headers": []}
    answered = error_response(sent, HTTPConnection(scope))
    arrived = parse_api_error(answered.status_code, bytes(answered.body))
    assert type(arrived) is type(sent)
    assert (arrived.code, arrived.message, arrived.target, arrived.more_info) == (code, "No.", "a.field", "see there")
    assert answered.headers["Retry-After"] == "3"
