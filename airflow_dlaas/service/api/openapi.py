"""
The parts of the OpenAPI document that FastAPI does not derive: request bodies, error responses, security schemes.

This module only documents. `tests/fuzz` checks that the API conforms to the document.
"""

from __future__ import annotations

from typing import Any, get_args

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.maintenance import MaintenanceReason
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.contract.training import PatchOperation
from airflow_dlaas.service.api.request_bodies import SCHEMA_REF_PREFIX
from airflow_dlaas.service.api.response_models import TokenBody

TAGS = [
    {"name": "identity", "description": "Log in, and renew a token."},
    {"name": "service", "description": "The service itself: extensions and runtimes."},
    {"name": "experiments", "description": "Code assets, their versions, and the zip of each version."},
    {"name": "trainings", "description": "Trainings: submit, list, cancel, delete; metrics and log."},
    {"name": "maintenance", "description": "Drain and cordon, for the service's own user."},
    {"name": "monitoring", "description": "Health check and Prometheus metrics, without a token."},
]
"""The groups of routes, in the order of the documentation."""

_REQUEST_MODELS: tuple[type[BaseModel], ...] = (
    ExperimentDraft,
    TrainingDefinition,
    PatchOperation,
    Annotations,
    MaintenanceReason,
    TokenBody,
)


class DocumentedFastAPI(FastAPI):
    """A FastAPI application with a complete OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, which is built once."""
        if self.openapi_schema is None:
            self.openapi_schema = _complete_schema(super().openapi())
        return self.openapi_schema


def _complete_schema(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for schema in schemas.values():
        # Responses may get more keys in later versions. Request models, added below, stay strict.
        schema.pop("additionalProperties", None)
    _, request_schemas = models_json_schema(
        [(model, "validation") for model in _REQUEST_MODELS], ref_template=f"{SCHEMA_REF_PREFIX}{{model}}"
    )
    schemas.update(request_schemas["$defs"])
    schemas.update(
        models_json_schema([(ErrorReport, "serialization")], ref_template=f"{SCHEMA_REF_PREFIX}{{model}}")[1]["$defs"]
    )
    _accept_several_matches(schemas)
    for model in get_args(StoreConnection):
        for field in schemas[model.__name__]["properties"].values():
            for one in (field, *field.get("anyOf", ())):
                one.pop("writeOnly", None)  # responses contain secrets, masked
    document["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "password": {"type": "http", "scheme": "basic"},
    }
    error_response = {
        "description": "An error; `errors` has the reasons",
        "content": {"application/json": {"schema": {"$ref": f"{SCHEMA_REF_PREFIX}{ErrorReport.__name__}"}}},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            operation["responses"].update({"4XX": error_response, "5XX": error_response})
            if scheme := _security_scheme(path, method):
                operation["security"] = [{scheme: []}]
    return document


def _security_scheme(path: str, method: str) -> str | None:
    if path.endswith("/identity/token"):
        return "password" if method == "get" else None
    return "token" if path.startswith("/v3/") else None


def _accept_several_matches(schema: Any) -> None:
    """
    Replace each ``oneOf`` in *schema* by ``anyOf``.

    The type of a container decides which kind of connection belongs to it, and the keys of one kind may also be those
    of another: a schema with ``oneOf`` would refuse them.
    """
    if isinstance(schema, dict):
        if "oneOf" in schema:
            schema["anyOf"] = schema.pop("oneOf")
        for one in schema.values():
            _accept_several_matches(one)
    elif isinstance(schema, list):
        for one in schema:
            _accept_several_matches(one)
