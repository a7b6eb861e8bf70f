"""The base class of operators and sensors with a connection to an object store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_dlaas.hooks.object_store import ObjectStoreHook
from airflow_dlaas.parameters.checked_operator import UNKNOWN, CheckedOperator
from airflow_dlaas.parameters.checks import InvalidValue, ParameterCheck, optional, require_text


class StoreOperator(CheckedOperator):
    """
    The base class of operators and sensors that use an object store.

    :param store_conn_id: the id of the connection to the object store: of the type `swift`, `aws` or
        `google_cloud_platform`. The default is ``swift_default``. (templated)
    :param swift_conn_id: the older name of *store_conn_id*. (templated)
    """

    template_fields: Sequence[str] = ("store_conn_id", "swift_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "store_conn_id": optional(require_text),
        "swift_conn_id": optional(require_text),
    }

    def __init__(self, *, store_conn_id: str | None = None, swift_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store_conn_id = store_conn_id
        self.swift_conn_id = swift_conn_id

    @property
    def conn_id_of_store(self) -> str:
        """The id of the connection, under either name."""
        return self.store_conn_id or self.swift_conn_id or ObjectStoreHook.default_conn_name

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """Refuse two different connections."""
        both = {given["store_conn_id"], given["swift_conn_id"]} - {None, UNKNOWN}
        if len(both) > 1:
            raise InvalidValue("store_conn_id and swift_conn_id have the same meaning: give one of them")
