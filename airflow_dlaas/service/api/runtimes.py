"""What the service says of itself."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.training import Extensions, ServiceInstance, ServiceInstanceEntity
from airflow_dlaas.service.api.dependencies import Deps, Owner, base_url
from airflow_dlaas.service.api.openapi import ReportedRuntimes
from airflow_dlaas.service.api.request_bodies import PathId, json_response

router = APIRouter(prefix="/v3", tags=["the service"])


@router.get("/wml_instances/{instance_id}", response_model=ServiceInstance)
def get_instance(request: Request, deps: Deps, _owner: Owner, instance_id: PathId) -> Response:
    """Tell what this service is and can do beyond the page. There is one instance; it answers to any id."""
    since = request.app.state.started_at
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
    url = f"{base_url(request, deps)}/v3/wml_instances/{instance_id}"
    metadata = Metadata(guid=instance_id, url=url, created_at=since, modified_at=since)
    # Contemporary clients look for these; nothing is published or deployed here.
    elsewhere = {"published_models": {"url": f"{url}/published_models"}, "deployments": {"url": f"{url}/deployments"}}
    return json_response(
        {"metadata": metadata.model_dump(), "entity": {**entity.model_dump(), **elsewhere, "usage": {}}}
    )


@router.get("/runtimes", response_model=ReportedRuntimes)
def list_runtimes(deps: Deps, _owner: Owner) -> Response:
    """List what can be run here, and how many GPU slots there are (ours)."""
    return json_response(ReportedRuntimes(resources=deps.catalogue.list_runtimes(), gpus=deps.gpu_slots))
