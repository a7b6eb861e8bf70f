"""Requests about the maintenance of the service (extension `maintenance`), for the service's own user only."""

from __future__ import annotations

from airflow_dlaas.client.calls.call import (
    JSON_CONTENT_TYPE,
    Call,
    delete_request,
    get_request,
    no_content,
    quote_segment,
)
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.maintenance import Maintenance, MaintenanceReason

MAINTENANCE_PATH = "/v3/maintenance"


def get_maintenance() -> Call[Maintenance]:
    """Request what is drained and cordoned, and which GPUs are in use."""
    return get_request(MAINTENANCE_PATH, parse_response(Maintenance))


def drain_service(reason: str = "") -> Call[None]:
    """Drain the service: after the response, no training is started."""
    return _put_reason(f"{MAINTENANCE_PATH}/drain", reason)


def end_drain() -> Call[None]:
    """End the drain, if there is one."""
    return delete_request(f"{MAINTENANCE_PATH}/drain")


def cordon_gpu(name: str, reason: str = "") -> Call[None]:
    """Cordon a GPU: after the response, no training gets it. `NotFound` if the service has no GPU of this name."""
    return _put_reason(_gpu_path(name), reason)


def uncordon_gpu(name: str) -> Call[None]:
    """End the cordon of a GPU. `NotFound` if the service has no GPU and no cordon of this name."""
    return delete_request(_gpu_path(name))


def _put_reason(path: str, reason: str) -> Call[None]:
    body = MaintenanceReason(reason=reason)
    return Call("PUT", path, no_content, body, is_idempotent=True, content_type=JSON_CONTENT_TYPE)


def _gpu_path(name: str) -> str:
    return f"{MAINTENANCE_PATH}/cordons/{quote_segment(name)}"
