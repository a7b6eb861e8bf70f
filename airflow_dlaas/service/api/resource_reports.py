"""The resources of a training in its status: from its definition, and from what its learner reports."""

from __future__ import annotations

from airflow_dlaas.contract.resource_report import ResourceReport
from airflow_dlaas.service.job_reports import ResourcesFile
from airflow_dlaas.service.requested_resources import requested_amounts
from airflow_dlaas.service.store.records import TrainingRecord


def report_resources(record: TrainingRecord, file: ResourcesFile | None) -> ResourceReport:
    """
    Return the resources of *record*; without *file*, only what was requested.

    :raises ValueError: its definition is not valid.
    """
    requested = requested_amounts(record.definition, record.slots)
    if file is None:
        return ResourceReport(requested=requested)
    return ResourceReport(
        requested=requested,
        given=file.given,
        used=file.used,
        enforced=file.enforced,
        enforced_by=file.enforced_by,
    )
