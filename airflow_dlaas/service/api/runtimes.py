"""What the service says of itself."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.training import Extensions, ServiceInstance, ServiceInstanceEntity
from airflow_dlaas.service.api.dependencies import Owner, PartsOf, base_url
from airflow_dlaas.service.api.openapi import ReportedRuntimes
from airflow_dlaas.service.api.request_bodies import Id, reply

router = APIRouter(prefix="/v3", tags=["the service"])


@router.get("/wml_instances/{instance_id}", response_model=ServiceInstance)
def instance(request: Request, parts: PartsOf, _owner: Owner, instance_id: Id) -> Response:
    """Tell what this service is and can do beyond the page. There is one instance; it answers to any id."""
    since = request.app.state.since
    entity = ServiceInstanceEntity(
        source="airflow-dlaas",
        plan="self-hosted",
        status="Active",
        extensions=Extensions(
            idempotency_key=True,
            changes=True,
            runtimes=True,
            curves=True,
            metric_definitions=True,
            acknowledgement=True,
        ),
    )
    url = f"{base_url(request, parts)}/v3/wml_instances/{instance_id}"
    metadata = Metadata(guid=instance_id, url=url, created_at=since, modified_at=since)
    # Contemporary clients look for these; nothing is published or deployed here.
    elsewhere = {"published_models": {"url": f"{url}/published_models"}, "deployments": {"url": f"{url}/deployments"}}
    return reply({"metadata": metadata.model_dump(), "entity": {**entity.model_dump(), **elsewhere, "usage": {}}})


@router.get("/runtimes", response_model=ReportedRuntimes)
def runtimes(parts: PartsOf, _owner: Owner) -> Response:
    """List what can be run here, and how many GPU slots there are (ours)."""
    return reply(ReportedRuntimes(resources=parts.catalogue.listing(), gpus=parts.slots))
