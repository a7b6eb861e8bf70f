"""Routes of the maintenance of the service (an extension): drain and cordon, for the service's own user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from airflow_dlaas.contract.maintenance import GpuState, Maintenance, MaintenanceEntry, MaintenanceReason
from airflow_dlaas.exceptions import NotFound
from airflow_dlaas.service.api.dependencies import ApiDeps, Deps, Owner
from airflow_dlaas.service.api.request_bodies import JsonBody, json_response, parse_body, request_schema
from airflow_dlaas.service.store.maintenance import MaintenanceRecord

GPU_PATTERN = r"^[A-Za-z0-9:/-]{1,128}$"
"""Names of GPU slots: see `airflow_dlaas.service.dispatcher.gpu_inventory`."""


async def _require_service_user(deps: Deps, owner: Owner) -> None:
    if owner != deps.admin:
        raise NotFound("Maintenance is for the service's own user (DLAAS_USER) only: log in as that user")


router = APIRouter(prefix="/v3/maintenance", tags=["maintenance"], dependencies=[Depends(_require_service_user)])

GpuName = Annotated[str, Path(pattern=GPU_PATTERN, description="Name of a GPU slot, as in `gpus`")]


@router.get("", response_model=Maintenance, summary="Get drain and cordons")
def get_maintenance(deps: Deps) -> Response:
    """Return whether the service is drained, its GPUs, and the numbers of running and queued trainings (extension)."""
    state, counts = deps.store.maintenance.get(), deps.store.count_trainings()
    held = deps.store.maintenance.list_held_gpus()
    names = (*deps.gpus, *sorted(set(state.cordons) - set(deps.gpus)))
    unfinished = sum(number for one, number in counts.by_state.items() if not one.is_final)
    return json_response(
        Maintenance(
            drain=_entry(state.drain),
            gpus=tuple(
                GpuState(
                    name=name, in_use=name in held, present=name in deps.gpus, cordon=_entry(state.cordons.get(name))
                )
                for name in names
            ),
            running=max(0, unfinished - counts.queued),
            queued=counts.queued,
        )
    )


@router.put(
    "/drain",
    status_code=204,
    response_class=Response,
    openapi_extra=request_schema(MaintenanceReason, required=False),
    summary="Drain the service",
)
def drain(deps: Deps, document: JsonBody) -> Response:
    """
    Drain the service: after the response, no training is started (extension).

    Running trainings continue. New ones are accepted, and wait in the queue. A restart of the service does not end it.
    """
    deps.store.maintenance.drain(_parse_reason(document), deps.clock())
    return Response(status_code=204)


@router.delete("/drain", status_code=204, response_class=Response, summary="End the drain")
def end_drain(deps: Deps) -> Response:
    """Start trainings again (extension). No change if the service is not drained."""
    deps.store.maintenance.end_drain()
    deps.wake_dispatcher()
    return Response(status_code=204)


@router.put(
    "/cordons/{name:path}",
    status_code=204,
    response_class=Response,
    openapi_extra=request_schema(MaintenanceReason, required=False),
    summary="Cordon a GPU",
)
def cordon(deps: Deps, name: GpuName, document: JsonBody) -> Response:
    """
    Cordon a GPU: after the response, no training gets it (extension). One that has it keeps it until its end.

    A training that needs more GPUs than are not cordoned waits.
    """
    _require_known(deps, name, ())
    deps.store.maintenance.cordon(name, _parse_reason(document), deps.clock())
    return Response(status_code=204)


@router.delete("/cordons/{name:path}", status_code=204, response_class=Response, summary="End the cordon of a GPU")
def uncordon(deps: Deps, name: GpuName) -> Response:
    """Give the GPU to trainings again (extension). No change if it is not cordoned."""
    _require_known(deps, name, deps.store.maintenance.get().cordons)
    deps.store.maintenance.uncordon(name)
    deps.wake_dispatcher()
    return Response(status_code=204)


def _require_known(deps: ApiDeps, name: str, cordoned: Iterable[str]) -> None:
    if name not in (*deps.gpus, *cordoned):
        raise NotFound(f"There is no GPU {name}; the service has {', '.join(deps.gpus)}")


def _parse_reason(document: object) -> str:
    return parse_body(MaintenanceReason, {} if document is None else document).reason


def _entry(record: MaintenanceRecord | None) -> MaintenanceEntry | None:
    return None if record is None else MaintenanceEntry(since=record.since, reason=record.reason)
