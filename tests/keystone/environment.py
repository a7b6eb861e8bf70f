"""The Python environment of Keystone and its Swift."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes import uv

CHECKOUT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")

ROOM = 500_000_000
"""Bytes of disk that its installation needs; 170 million of them stay in use."""

log = logging.getLogger(__name__)


def ensure() -> Path:
    """
    Return the interpreter of the environment; uv makes the environment if it is missing or its requirements changed.

    Several test sessions can call this at the same time. If the environment can't be made, the test is skipped;
    in CI it fails.
    """
    wanted = RuntimeSpec(key="keystone", kind="uv", provides="Keystone", requirements=requirements(), room=ROOM)
    try:
        return uv.ensure_environment(wanted, CHECKOUT / ".venv-keystone", log.info) / "python"
    except HostError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


def requirements() -> tuple[str, ...]:
    """Return the pinned packages, in the form of uv."""
    lines = REQUIREMENTS.read_text().splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))
