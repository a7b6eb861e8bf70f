"""The default of the parameter `deferrable` of operators and sensors."""

from __future__ import annotations


def default_deferrable() -> bool:
    """Return Airflow's option ``[operators] default_deferrable``; False if it is not set."""
    from airflow_dlaas.hooks.compat import conf

    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))
