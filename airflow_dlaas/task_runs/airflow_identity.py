"""The identity of this Airflow: stable, and different from that of another Airflow with the same DAGs."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from uuid import uuid4

CONFIG_SECTION, CONFIG_OPTION = "dlaas", "airflow_id"

VARIABLE_KEY = "airflow_dlaas_id"
"""The Airflow Variable with the identity, if the configuration does not set one."""

CREATE_RACE_DELAY = 1.0
"""
Seconds between the creation of the Variable and its reading. If two tasks find none, both create it; after this delay
both read the same value.
"""

_log = logging.getLogger(__name__)


def airflow_id() -> str | None:
    """
    Return the identity of this Airflow, on a worker; None if it is unknown, which is logged once.

    It is ``[dlaas] airflow_id`` of Airflow's configuration if that is set. Otherwise it is the Variable
    `VARIABLE_KEY`, which is created at the first use and read once per process. ``[api] base_url`` is no identity: it
    is unset by default, and two Airflows often have the same.
    """
    from airflow_dlaas.hooks.compat import conf

    return conf.get(CONFIG_SECTION, CONFIG_OPTION, fallback="").strip() or _id_from_variable()


@functools.cache
def _id_from_variable() -> str | None:
    from airflow.sdk import Variable

    try:
        return get_or_create_id(
            lambda: Variable.get(VARIABLE_KEY, default=None),
            lambda value: Variable.set(
                VARIABLE_KEY, value, "Identifies this Airflow to training services: do not change it"
            ),
        )
    except Exception as error:  # noqa: BLE001 - outside of a task, or without permission, Airflow raises various errors
        _log.warning(
            "The identity of this Airflow is unknown: reading or creating its Variable %s failed (%s). Trainings that "
            "earlier runs of a task left are neither canceled nor reused. Set [%s] %s",
            VARIABLE_KEY,
            error,
            CONFIG_SECTION,
            CONFIG_OPTION,
        )
        return None


def get_or_create_id(
    read: Callable[[], object], write: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep
) -> str | None:
    """Read the identity; if there is none, write a new one and read again after a delay; None if that reads nothing."""
    known = str(read() or "").strip()
    if not known:
        write(str(uuid4()))
        sleep(CREATE_RACE_DELAY)
        known = str(read() or "").strip()
    return known or None
