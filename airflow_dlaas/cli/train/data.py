"""The training data: what has to be sent is found out first, and sent later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from airflow_dlaas.cli.train.options import DataOptions, DataSource
from airflow_dlaas.contract.format_list import format_list
from airflow_dlaas.contract.results import uploaded_results_warning
from airflow_dlaas.exceptions import ContainerNotFound, InvalidArgument
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.transfer import api
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path
from airflow_dlaas.storage.transfer.selection import Selection

ProgressDisplay = Callable[[str], AbstractContextManager[api.ProgressCallback]]
"""Shows the progress of a transfer: see `cli.transfer_display.progress_display`."""


Stores = Mapping[str | None, ObjectStore]
"""The object stores by the names of their connections; None is the one of `--connection`."""


@dataclass(frozen=True, slots=True)
class DataPlan:
    """What has to be done for one container of training data."""

    source: DataSource
    files: int = 0
    bytes: int = 0
    """Files and bytes to send."""
    unchanged: int = 0
    extra: tuple[str, ...] = ()
    """Objects of the container that are not in the folder; results of trainings do not count."""
    is_new: bool = False
    """Whether the container has to be created."""

    def __str__(self) -> str:
        """Describe the plan in words."""
        if self.source.path is None:
            return f"{self.source}, as it is"
        new = "new " if self.is_new else ""
        changes = f"{self.files:,} files to send ({self.bytes:,} bytes), {self.unchanged:,} unchanged"
        return f"{self.source.path} → {new}container {self.source.container}: {changes}"


def require_local_files(sources: Sequence[DataSource]) -> None:
    """
    Check that each path has files that can be uploaded; sends no request.

    :raises NothingSelected, StoreError: a path does not exist, has no files, or has one that cannot be named.
    """
    for one in sources:
        if one.path is not None:
            Selection.from_arguments(one.path, one.container, api.UploadOptions())


def plan_data(stores: Stores, source: DataSource, options: DataOptions) -> DataPlan:
    """
    Compare the files of *source* with its container; changes nothing.

    :raises ContainerNotFound: *source* has no path, and its container does not exist.
    :raises InvalidArgument: the container has objects that are not in the folder, and *options* do not state what to do
        with them: the training would get them as data, too.
    """
    if source.path is None:
        if source.mount is None:
            stores[source.connection].check(source.container)
        return DataPlan(source)
    store = stores[source.connection]
    try:
        plan = api.plan_upload(store, source.path, source.container, _upload_options(delete=True))
    except ContainerNotFound:
        files = Selection.from_arguments(source.path, source.container, api.UploadOptions()).files
        return DataPlan(source, len(files), sum(one.size for one in files), is_new=True)
    if plan.deletions and not (options.delete or options.allow_extra):
        raise InvalidArgument(
            f"--data {source.path}: container {source.container} has objects that are not in it, and the training "
            f"would get them too: {format_list(plan.deletions)}. Add --delete to delete them, --allow-extra to use "
            "them, or --container for another container"
        )
    return DataPlan(source, len(plan.uploads), plan.bytes, plan.unchanged, plan.deletions)


def upload_data(stores: Stores, plan: DataPlan, options: DataOptions, display: ProgressDisplay) -> str:
    """Upload the files of *plan*, if there are any; return what was done, in words."""
    source = plan.source
    if source.path is None:
        return str(plan)
    with display("Uploaded") if plan.files else nullcontext() as on_progress:
        report = api.upload(
            stores[source.connection],
            source.path,
            source.container,
            _upload_options(delete=options.delete, create_container=True, progress=on_progress),
        )
    deleted = f", {report.deleted:,} deleted" if options.delete else ""
    sent = f"{report.files:,} files sent ({report.bytes:,} bytes), {report.unchanged:,} unchanged{deleted}"
    warning = f"\n{uploaded_results_warning(source.container, report.result_folders)}" if report.result_folders else ""
    return f"{source.path} → container {source.container}: {sent}{warning}"


def _upload_options(
    *, delete: bool, create_container: bool = False, progress: api.ProgressCallback | None = None
) -> api.UploadOptions:
    return api.UploadOptions(
        delete=delete,
        create_container=create_container,
        progress=progress,
        checksum_cache=ChecksumCache(default_path()),
    )
