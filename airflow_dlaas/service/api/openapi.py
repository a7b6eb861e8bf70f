"""
What the OpenAPI says beyond what FastAPI finds out: bodies that handlers read themselves, refusals, and who may ask.

Nothing here decides anything; `tests/fuzz` holds the API to what is said.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from airflow_dlaas.contract.base import ApiModel
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.metric_definition import MetricDefinition
from airflow_dlaas.contract.stores import ContainerRef, StoreConnection, TrainingData
from airflow_dlaas.contract.training import (
    NextPage,
    PatchOperation,
    ResultsReport,
    Runtime,
    Training,
    TrainingEntity,
    UnreadableTraining,
)
from airflow_dlaas.service.api.request_bodies import SCHEMA_REF_PREFIX
from airflow_dlaas.service.api.tokens import TokenBody

_REQUEST_MODELS: tuple[type[BaseModel], ...] = (ExperimentDraft, TrainingDefinition, PatchOperation, TokenBody)


class ReportedResults(ResultsReport):
    """Where results go, as it was asked for, and where they lie once they exist."""

    connection: StoreConnection | None = None
    target: ContainerRef | None = None
    source: ContainerRef | None = None


class ReportedEntity(TrainingEntity):
    """The whole definition with its secrets masked, and how the training is doing."""

    training_data: tuple[TrainingData, ...]
    training_results: ReportedResults | None = None
    metric_definitions: tuple[MetricDefinition, ...] | None = None


class ReportedTraining(Training):
    """All that is said of a training, also the part that our own client leaves on the wire."""

    entity: ReportedEntity


class ReportedPage(ApiModel):
    """Trainings, newest first; one that the service cannot read is marked so and hides no other."""

    resources: tuple[ReportedTraining | UnreadableTraining, ...]
    next: NextPage | None = None


class ReportedChanges(ApiModel):
    """Trainings that changed, oldest change first, and the cursor to ask with next."""

    resources: tuple[ReportedTraining | UnreadableTraining, ...]
    cursor: str


class ReportedRuntimes(ApiModel):
    """The catalogue, and how many GPU slots there are."""

    resources: tuple[Runtime, ...]
    gpus: int


class DocumentedFastAPI(FastAPI):
    """A FastAPI whose OpenAPI tells all of it."""

    def openapi(self) -> dict[str, Any]:
        """Make it once."""
        if self.openapi_schema is None:
            self.openapi_schema = _complete_schema(super().openapi())
        return self.openapi_schema


def _complete_schema(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for schema in schemas.values():
        schema.pop("additionalProperties", None)  # newer services say more; what is sent is read strictly
    _, taken = models_json_schema(
        [(kind, "validation") for kind in _REQUEST_MODELS], ref_template=f"{SCHEMA_REF_PREFIX}{{model}}"
    )
    schemas.update(taken["$defs"])
    schemas.update(
        models_json_schema([(ErrorReport, "serialization")], ref_template=f"{SCHEMA_REF_PREFIX}{{model}}")[1]["$defs"]
    )
    schemas["StoreConnection"]["properties"]["password"].pop("writeOnly")  # it is echoed, masked
    document["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "password": {"type": "http", "scheme": "basic"},
    }
    refusal = {
        "description": "Refused; `errors` says why",
        "content": {"application/json": {"schema": {"$ref": f"{SCHEMA_REF_PREFIX}Problem"}}},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            operation["responses"].update({"4XX": refusal, "5XX": refusal})
            if scheme := _security_scheme(path, method):
                operation["security"] = [{scheme: []}]
    return document


def _security_scheme(path: str, method: str) -> str | None:
    if path.endswith("/identity/token"):
        return "password" if method == "get" else None
    return "token" if path.startswith("/v3/") else None
