"""
References to secrets: what a DAG has in the place of a secret value. No I/O, no import of Airflow.

``conn:ID/FIELD`` is a field of an Airflow connection, ``var:NAME`` an Airflow variable. A rendered template, an XCom
and Airflow's database have the reference only.
"""

from __future__ import annotations

from dataclasses import dataclass

CONNECTION_PREFIX = "conn:"
VARIABLE_PREFIX = "var:"
EXTRA_PREFIX = "extra."

CONNECTION_FIELDS = ("password", "login", "host", "schema", "port")
DEFAULT_FIELD = "password"

FORMS = "conn:ID, conn:ID/FIELD (password, login, host, schema, port or extra.KEY), or var:NAME"

LITERAL_REFUSED = (
    f"must be a reference to an Airflow connection or variable: {FORMS}. A value in the DAG would be in rendered "
    "templates and in Airflow's database"
)


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A reference to a secret: to a field of a connection, or to a variable if `field` is empty."""

    name: str
    """The id of the connection, or the name of the variable."""
    field: str = ""
    """``password``, ``login``, ``host``, ``schema``, ``port``, or ``extra.`` and a path of keys: ``extra.hf.token``."""

    def __str__(self) -> str:
        return f"{CONNECTION_PREFIX}{self.name}/{self.field}" if self.field else f"{VARIABLE_PREFIX}{self.name}"

    @property
    def is_connection(self) -> bool:
        """Whether it refers to a connection."""
        return bool(self.field)

    @property
    def extra_path(self) -> tuple[str, ...]:
        """The keys that lead to the value in the connection's extra; empty for another field."""
        return tuple(self.field.removeprefix(EXTRA_PREFIX).split(".")) if self.field.startswith(EXTRA_PREFIX) else ()


def is_reference(value: object) -> bool:
    """Return whether *value* begins like a reference; it may still be wrong, or contain a template."""
    return isinstance(value, str) and value.startswith((CONNECTION_PREFIX, VARIABLE_PREFIX))


def parse_secret_reference(value: object) -> SecretReference:
    """
    Parse a reference. The id of a connection may contain ``/``: the field follows the last one.

    :raises ValueError: *value* is none. The message states what is accepted; it never repeats a literal value.
    """
    if not isinstance(value, str) or not is_reference(value):
        raise ValueError(LITERAL_REFUSED)
    if value.startswith(VARIABLE_PREFIX):
        name = value.removeprefix(VARIABLE_PREFIX).strip()
        if not name:
            raise ValueError(f"{value!r} names no variable: {FORMS}")
        return SecretReference(name)
    conn_id, slash, field = value.removeprefix(CONNECTION_PREFIX).strip().rpartition("/")
    if not slash:
        conn_id, field = field, DEFAULT_FIELD
    if not conn_id:
        raise ValueError(f"{value!r} names no connection: {FORMS}")
    reference = SecretReference(conn_id, field)
    if field not in CONNECTION_FIELDS and not (reference.extra_path and all(reference.extra_path)):
        raise ValueError(f"{value!r} names no field of a connection: {FORMS}")
    return reference
