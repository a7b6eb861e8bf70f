"""The training data as the status of a training reports it: the progress while it is loaded, and what was read."""

from __future__ import annotations

from airflow_dlaas.contract.base import ApiList, ApiModel
from airflow_dlaas.contract.stores import StoreType


class LoadProgress(ApiModel):
    """How much of the training data is in place, of all sources together."""

    files: int
    total_files: int
    bytes: int
    total_bytes: int
    bytes_per_second: float | None = None
    """The rate of the last seconds; None while it is unknown."""
    seconds_left: float | None = None


class DataSourceReport(ApiModel):
    """What a training read from one source of its data."""

    name: str
    """The container, or the path of a mounted folder."""
    type: StoreType
    folder: str = ""
    """The folder below DATA_DIR that has it; empty if it is DATA_DIR itself."""
    prefix: str | None = None
    version: str | None = None
    """The version of the data (`contract.data_manifest`): equal versions are equal data. None for a mounted folder."""
    files: int | None = None
    """None for a mounted folder, which is not read in advance."""
    bytes: int | None = None
    cached_files: int | None = None
    """Those of *files* that came from the cache of the machine."""
    cached_bytes: int | None = None


class DataReport(ApiModel):
    """What a training read; the manifest with each object is stored with its results."""

    sources: ApiList[DataSourceReport] = ()
    seconds: float | None = None
    """How long it took until the data was in place."""
    manifest: str | None = None
    """The name of the manifest in the results container."""
