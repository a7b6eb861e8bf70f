"""The service itself as it reports itself: its extensions, and the runtimes of its catalogue."""

from __future__ import annotations

from pydantic import Field

from airflow_dlaas.contract.base import ApiList, ApiModel
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.listing import Listing


class Extensions(ApiModel):
    """The extensions that the service has: part of the description of the instance, absent at other services."""

    idempotency_key: bool = False
    """POST /v3/models accepts `Idempotency-Key`."""
    changes: bool = False
    """`GET /v3/models?after=CURSOR&wait=SECONDS` returns `TrainingChanges`."""
    runtimes: bool = False
    """`GET /v3/runtimes` lists the frameworks and versions."""
    curves: bool = False
    """`GET /v3/models/{id}/metrics` and ``/log`` return metrics and log in portions: see `contract.curves`."""
    metric_definitions: bool = False
    """The service uses a definition's `metric_definitions`."""
    acknowledgement: bool = False
    """`PUT /v3/models/{id}/acknowledgement` records that the client has taken the result of a completed training."""
    annotations: bool = False
    """`PUT /v3/models/{id}/annotations` sets the note and the tags of a training: see `contract.annotations`."""
    usage_history: bool = False
    """`GET /v3/models/{id}/usage` returns the resources used over time: see `contract.usage_history`."""
    usage_report: bool = False
    """`GET /v3/usage_report` returns the GPU-hours by user, DAG or state: see `contract.usage_report`."""
    nested_code: bool = False
    """An experiment may have ``nested``: its zips may then contain folders."""
    definition_keys: ApiList[str] = ()
    """The additional keys of a definition that the service knows: see `contract.definition_keys`."""
    store_types: ApiList[str] = ()
    """The types of stores that the service knows besides those of 2017: see `contract.stores.StoreType`."""
    default_results: bool = False
    """The service has a store for the results of a definition that names none."""
    mounts: ApiList[str] = ()
    """The roots below which `mount_volume` may name a folder; one that may be changed by commands ends with ``:rw``."""
    maintenance: bool = False
    """`GET /v3/maintenance`, and the requests that drain the service and cordon a GPU: see `contract.maintenance`."""


class ServiceInstanceEntity(ApiModel):
    """The description of a service instance."""

    source: str = ""
    plan: str = ""
    status: str = ""
    extensions: Extensions = Field(default_factory=Extensions)


class ServiceInstance(ApiModel):
    """A service instance; clients request it first."""

    metadata: Metadata
    entity: ServiceInstanceEntity


class Runtime(ApiModel):
    """One entry of the service's catalogue (an extension)."""

    framework: str
    version: str
    aliases: tuple[str, ...] = ()
    provides: str
    """The software that runs, in words."""
    compatibility: bool = False
    """Whether a newer version replaces the named one, through a compatibility layer."""
    unavailable: str | None = None
    """Why it cannot be used now; None if it can."""
    kind: str | None = None
    """How it is provided: ``uv``, ``venv``, ``prefix`` or ``container``."""
    image: str | None = None
    """The image of kind ``container``."""
    prepared: bool | None = None
    """Whether its environment is made already; only for kind ``uv``, whose environment the service makes."""
    environment_bytes: int | None = None
    """Bytes of that environment on disk."""


class RuntimeList(Listing[Runtime]):
    """The service's catalogue (an extension), and the number of its GPU slots."""

    gpus: int
    catalogue_problem: str | None = None
    """Why the site's changed catalogue file is not in use; the one that was read before is."""
    images: str | None = None
    """The patterns of images that `framework.image` may name; None if the site allows none."""
