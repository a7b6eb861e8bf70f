"""
The URL of a connection, made of the fields host, port and schema. No I/O.

In the connection form, users enter a whole URL as host. Airflow splits a connection URI:
``dlaas://user:pw@h:9200/path`` becomes host ``h``, port 9200 and schema ``path``;
``dlaas://https://user:pw@h:9200/path`` becomes host ``https://h`` with the same port and schema
(https://github.com/apache/airflow/issues/51953). In JSON each part can be in any of the fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from airflow_dlaas.exceptions import NotConfigured

if TYPE_CHECKING:
    from airflow_dlaas.hooks.airflow_connection import AirflowConnection

DEFAULT_PORTS = {"http": "80", "https": "443"}
URL_SCHEMES = frozenset(DEFAULT_PORTS)


def connection_url(connection: AirflowConnection, *, default_scheme: str) -> str:
    """
    Return the URL of *connection*, without a slash at its end.

    The field schema is the scheme if it is ``http`` or ``https``, else the path. No field may have a query or a
    fragment: the paths of requests are appended to the URL.

    :param default_scheme: the scheme if no field names one.
    :raises NotConfigured: a field is missing or wrong, or two fields contradict each other; the message names
        connection and field.
    """
    host_field = (connection.host or "").strip()
    if not host_field:
        raise NotConfigured(f"Connection {connection.conn_id!r}: the URL (host) is missing")
    schema = (connection.schema or "").strip(" /")
    for field, value in (("URL (host)", host_field), ("schema", schema)):
        if "?" in value or "#" in value:  # the message leaves the value out: it may contain a token
            raise NotConfigured(
                f"Connection {connection.conn_id!r}: the {field} must end with the path: remove '?' or '#' and "
                "the rest. Options such as verify and ca_file belong in extra; in a path write ? as %3F and # as %23"
            )
    scheme, _, rest = host_field.rpartition("://")
    parts = _split_address(rest)
    if parts is None or not parts.hostname or scheme.lower() not in {*URL_SCHEMES, ""}:
        raise NotConfigured(
            f"Connection {connection.conn_id!r}: the URL (host) must begin with http:// or https:// and name a host, "
            "and a port, if any, from 1 to 65535"
        )
    if "@" in parts.netloc:
        raise NotConfigured(
            f"Connection {connection.conn_id!r}: the URL (host) must not contain credentials: they belong in login and "
            "password"
        )
    schema_scheme, path = (schema.lower(), "") if schema.lower() in URL_SCHEMES else ("", schema)
    scheme = _require_same(connection, "scheme", scheme.lower(), "schema", schema_scheme) or default_scheme
    port = _require_same(connection, "port", str(parts.port or ""), "port", str(connection.port or ""))
    if not parts.port and port == DEFAULT_PORTS[scheme]:
        port = ""  # the same address as without it, which others compare
    path = _require_same(connection, "path", parts.path.strip("/"), "schema", path)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}{port and ':'}{port}{path and '/'}{path}"


def _split_address(address: str) -> SplitResult | None:
    """Split the part of a URL after its scheme; return None if it is not valid."""
    netloc = address.partition("/")[0]
    if netloc.count(":") > 1 and not {"[", "@"} & set(netloc):  # Airflow removes the brackets of an IPv6 address
        address = f"[{netloc}]{address[len(netloc) :]}"
    try:
        parts = urlsplit(f"//{address}")
        _ = parts.port  # `urlsplit` checks the port only on access
    except ValueError:
        return None
    return parts


def _require_same(connection: AirflowConnection, part_name: str, in_url: str, field: str, in_field: str) -> str:
    if in_url and in_field and in_url != in_field:
        # The message leaves the values out: Airflow's UI shows it, and users need not know the address of a service.
        raise NotConfigured(
            f"Connection {connection.conn_id!r}: the URL (host) and {field} name two different {part_name}s: give one"
        )
    return in_url or in_field
