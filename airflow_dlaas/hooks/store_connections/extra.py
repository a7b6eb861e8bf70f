"""Reads the extra fields of connections that Airflow's own providers define. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_dlaas.exceptions import NotConfigured


class Extra:
    """
    The extra fields of a connection, with errors that name connection and field, and never a value.

    :param prefix: what older versions of a provider wrote before each name.
    """

    def __init__(self, conn_id: str, fields: Mapping[str, Any], *, prefix: str = "") -> None:
        self._conn_id = conn_id
        self._fields = fields
        self._prefix = prefix

    def error(self, name: str, problem: str) -> NotConfigured:
        """Return the error about the field *name*."""
        return NotConfigured(f"Connection {self._conn_id!r}: {name} in its extra {problem}")

    def get(self, name: str) -> Any:
        """Return a field; an empty text counts as absent."""
        for key in (name, f"{self._prefix}{name}"):
            value = self._fields.get(key)
            if value not in (None, ""):
                return value
        return None

    def text(self, name: str) -> str | None:
        """
        Return a text.

        :raises NotConfigured: it is no text.
        """
        value = self.get(name)
        if value is not None and not isinstance(value, str):
            raise self.error(name, "must be a text")
        return value

    def flag(self, name: str) -> bool:
        """
        Return a value that is true or false; a connection URI has it as a text.

        :raises NotConfigured: it is neither.
        """
        value = self.get(name)
        if isinstance(value, str):
            value = {"true": True, "false": False}.get(value.lower(), value)
        if value is not None and not isinstance(value, bool):
            raise self.error(name, "must be true or false")
        return value is True

    def object(self, name: str) -> Mapping[str, Any]:
        """
        Return an object; it may be written as JSON in a text.

        :raises NotConfigured: it is none.
        """
        value = self.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise self.error(name, "is not JSON") from None
        if value is not None and not isinstance(value, Mapping):
            raise self.error(name, "must be an object")
        return value or {}
