"""Unpacks the code, and links the training data into its folder."""

from __future__ import annotations

import logging
from pathlib import Path

from airflow_dlaas.service.job_spec import JobSpec


def unpack_code(spec: JobSpec, code: Path, logger: logging.Logger) -> None:
    """
    Unpack the zip of code.

    :raises InvalidBundle: the zip is invalid.
    """
    from airflow_dlaas.packaging import archive

    logger.info("Unpacking %d bytes of code", spec.code.stat().st_size)
    archive.unpack(spec.code, code, allow_nested=spec.allow_nested, unpacked_limit=spec.unpacked_limit)
    logger.info("Unpacked the code")


def link_data(data: Path, code: Path) -> None:
    """
    Link the top level of *data* into the working directory *code*.

    So relative names of data files work, as in the documentation of 2017. A file of the code with the same name stays.
    """
    for entry in data.iterdir():
        here = code / entry.name
        if not here.is_symlink() and not here.exists():
            here.symlink_to(entry)
