"""Operator links that are imported when Airflow reads them, not when a DAG file imports the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink


class LazyLinks:
    """
    The value of ``operator_extra_links`` of a class, which Airflow reads from the class or from an operator.

    Airflow's base class of links costs half a millisecond to import: a sixth of the import of all operators, sensors,
    triggers and hooks, which each parse of a DAG file pays. Tasks that only parse the file never read the links.

    :param names: classes in `airflow_dlaas.links.training`.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def __get__(self, operator: object, operator_class: type | None = None) -> tuple[BaseOperatorLink, ...]:
        from airflow_dlaas.links import training

        return tuple(getattr(training, name)() for name in self._names)
