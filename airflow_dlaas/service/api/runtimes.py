"""Routes of the service itself: its instance document with the supported extensions, and its runtimes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_dlaas.contract.definition_keys import DEFINITION_KEYS, STORE_TYPES_OF_2017
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.instance import Extensions, ServiceInstance, ServiceInstanceEntity
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.service.api.dependencies import Deps, Owner, base_url
from airflow_dlaas.service.api.request_bodies import InstanceId, json_response
from airflow_dlaas.service.api.response_models import ReportedRuntimes
from airflow_dlaas.service.mount_roots import describe_roots

router = APIRouter(prefix="/v3", tags=["service"])

ADDED_STORE_TYPES = tuple(str(one) for one in StoreType if one not in STORE_TYPES_OF_2017)
"""The types of stores that a definition may have besides those of 2017."""


@router.get("/wml_instances/{instance_id}", response_model=ServiceInstance, summary="Get the service instance")
def get_instance(request: Request, deps: Deps, _owner: Owner, instance_id: InstanceId) -> Response:
    """
    Return the instance document; `entity.extensions` lists the supported extensions of the API of 2017.

    A service has one instance, and any id returns it.
    """
    started_at = request.app.state.started_at
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
            annotations=True,
            usage_history=True,
            usage_report=True,
            nested_code=True,
            definition_keys=DEFINITION_KEYS,
            store_types=ADDED_STORE_TYPES,
            default_results=deps.default_results() is not None,
            mounts=describe_roots(deps.mount_roots),
            maintenance=True,
        ),
    )
    url = f"{base_url(request, deps)}/v3/wml_instances/{instance_id}"
    metadata = Metadata(guid=instance_id, url=url, created_at=started_at, modified_at=started_at)
    # Clients of 2017 require these keys. This service publishes and deploys nothing, so their URLs do not exist.
    other_urls = {"published_models": {"url": f"{url}/published_models"}, "deployments": {"url": f"{url}/deployments"}}
    return json_response(
        {"metadata": metadata.model_dump(), "entity": {**entity.model_dump(), **other_urls, "usage": {}}}
    )


@router.get("/runtimes", response_model=ReportedRuntimes, summary="List runtimes")
def list_runtimes(deps: Deps, _owner: Owner) -> Response:
    """List the frameworks and versions that the service can run, and the number of its GPU slots (extension)."""
    catalogue = deps.catalogue
    return json_response(
        ReportedRuntimes(
            resources=catalogue.list_runtimes(),
            gpus=deps.gpu_slots,
            catalogue_problem=catalogue.problem,
            images=catalogue.image_patterns,
        )
    )
