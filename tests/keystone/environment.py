"""The environment that Keystone and its Swift run in."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import RuntimeSpec
from airflow_dlaas.service.runtimes import uv

CHECKOUT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")

ROOM = 500_000_000
"""Bytes of disk it needs while it is being made; 170 million stay."""

said = logging.getLogger(__name__)


def ensure() -> Path:
    """
    Name the environment's Python; the first time, and when the requirements have changed, uv makes it.

    Several test sessions may ask at once. Where it can't be made, the test that asks is skipped; in CI it fails.
    """
    wanted = RuntimeSpec(key="keystone", kind="uv", provides="Keystone", requirements=requirements(), room=ROOM)
    try:
        return uv.ensure_environment(wanted, CHECKOUT / ".venv-keystone", said.info) / "python"
    except HostError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


def requirements() -> tuple[str, ...]:
    """The pinned packages, each as uv takes it."""
    lines = REQUIREMENTS.read_text().splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))
