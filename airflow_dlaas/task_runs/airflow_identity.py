"""Which Airflow this is: an identity that is stable, and not that of another Airflow with the same DAGs."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from uuid import uuid4

CONFIG_SECTION, CONFIG_OPTION = "dlaas", "airflow_id"

VARIABLE_KEY = "airflow_dlaas_id"
"""The Airflow Variable that holds the identity where the configuration names none."""

CREATE_RACE_DELAY = 1.0
"""
Seconds between the creation of the Variable and the reading of it: two tasks that find none both create it, and both
use what is there when both have written.
"""

_log = logging.getLogger(__name__)


def airflow_id() -> str | None:
    """
    Return the identity of this Airflow, on a worker; None where it cannot be known, which is logged once.

    It is ``[dlaas] airflow_id`` of Airflow's configuration where that is set, else the Variable `VARIABLE_KEY`, which is
    created when first needed and asked for once a process. ``[api] base_url`` is none: it is unset by default, and
    often equal.
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
    except Exception as error:  # noqa: BLE001 - outside of a task, or without the right: whatever Airflow raises then
        _log.warning(
            "This Airflow's identity is not known, since its Variable %s could not be read or created (%s): trainings "
            "that earlier runs of a task left behind are neither canceled nor taken up. Set [%s] %s",
            VARIABLE_KEY,
            error,
            CONFIG_SECTION,
            CONFIG_OPTION,
        )
        return None


def get_or_create_id(
    read: Callable[[], object], write: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep
) -> str | None:
    """Read the identity, or create it and read what is there once others have written; None where nothing is."""
    known = str(read() or "").strip()
    if not known:
        write(str(uuid4()))
        sleep(CREATE_RACE_DELAY)
        known = str(read() or "").strip()
    return known or None
