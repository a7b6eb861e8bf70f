"""Removes the control group that a lost learner has left."""

from __future__ import annotations

import logging
from pathlib import Path

from airflow_dlaas.service.job_files import READ_ERRORS, JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ResourcesFile
from airflow_dlaas.service.process.cgroups import group_name, is_cgroup_directory, remove_groups

log = logging.getLogger(__name__)


def remove_leftover_groups(job: JobDirectory) -> None:
    """
    Kill all processes in the control group of *job*, and remove the group. A failure is logged.

    The learner has recorded its directories. A command without a sandbox could have changed that file: only a group
    with the name of this training is removed.
    """
    try:
        report = read_job_file(job.resources, ResourcesFile)
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
    except READ_ERRORS as error:
        log.warning("%s cannot be read (%s); a control group may be left", job.resources, type(error).__name__)
        return
    for directory in report.groups if report is not None else ():
        if directory.name == group_name(job.path.name) and is_cgroup_directory(directory, mountinfo):
            try:
                remove_groups([directory])
            except OSError as error:
                log.warning("The control group %s could not be removed: %s", directory, error.strerror)
