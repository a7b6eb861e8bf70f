"""Where an operator or sensor waits that was not given the parameter `deferrable`."""

from __future__ import annotations


def default_deferrable() -> bool:
    """Return Airflow's option ``[operators] default_deferrable``; False where it is not set."""
    from airflow_dlaas.hooks.compat import conf

    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))
