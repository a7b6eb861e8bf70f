"""
The address that a connection's host, port and schema make up, in whichever of them its parts stand; no I/O.

People give a whole URL as host. From a connection URI Airflow takes the parts: ``dlaas://user:pw@h:9200/path`` arrives
as host ``h``, port 9200, schema ``path``; ``dlaas://https://user:pw@h:9200/path`` as host ``https://h`` with the same
port and schema (https://github.com/apache/airflow/issues/51953). In JSON each may stand anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from airflow_dlaas.exceptions import NotConfigured

if TYPE_CHECKING:
    from airflow_dlaas.hooks.connections import AirflowConnection

URL_SCHEMES = frozenset({"http", "https"})


def connection_url(connection: AirflowConnection, *, default_scheme: str) -> str:
    """
    Put together the URL that *connection* means, without a slash at its end.

    The schema is the scheme if it is ``http`` or ``https``, else the path. A query or a fragment is refused in either:
    the paths of requests are appended to the URL.

    :param default_scheme: of an address that names none.
    :raises NotConfigured: naming the connection and the field; also where two fields contradict each other.
    """
    given = (connection.host or "").strip()
    if not given:
        raise NotConfigured(f"Connection {connection.conn_id!r}: the URL (host) is missing")
    schema = (connection.schema or "").strip(" /")
    for field, value in (("URL (host)", given), ("schema", schema)):
        if "?" in value or "#" in value:  # what follows is not repeated: it may hold a token
            raise NotConfigured(
                f"Connection {connection.conn_id!r}: the {field} must end with the path; take '?' or '#' and what "
                "follows out of it. Options such as verify and ca_file belong in extra; in a path write ? as %3F and "
                "# as %23"
            )
    scheme, _, rest = given.rpartition("://")
    parts = _split_address(rest)
    if parts is None or not parts.hostname or scheme.lower() not in {*URL_SCHEMES, ""}:
        raise NotConfigured(
            f"Connection {connection.conn_id!r}: the URL (host) must begin with http:// or https:// and name a host, "
            "and a port, if any, from 1 to 65535"
        )
    if "@" in parts.netloc:
        raise NotConfigured(
            f"Connection {connection.conn_id!r}: the URL (host) must not carry credentials: they belong in login and "
            "password"
        )
    named, path = (schema.lower(), "") if schema.lower() in URL_SCHEMES else ("", schema)
    scheme = _require_same(connection, "scheme", scheme.lower(), "schema", named) or default_scheme
    port = _require_same(connection, "port", str(parts.port or ""), "port", str(connection.port or ""))
    path = _require_same(connection, "path", parts.path.strip("/"), "schema", path)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}{port and ':'}{port}{path and '/'}{path}"


def _split_address(address: str) -> SplitResult | None:
    """Take apart what follows the scheme; None where it is no address."""
    netloc = address.partition("/")[0]
    if netloc.count(":") > 1 and not {"[", "@"} & set(netloc):  # Airflow takes the brackets off an IPv6 address
        address = f"[{netloc}]{address[len(netloc) :]}"
    try:
        parts = urlsplit(f"//{address}")
        _ = parts.port  # is looked at only when asked for
    except ValueError:
        return None
    return parts


def _require_same(connection: AirflowConnection, part_name: str, in_url: str, field: str, in_field: str) -> str:
    if in_url and in_field and in_url != in_field:
        # Without the values: pages in Airflow's UI show this, and where a service is stays on the server.
        raise NotConfigured(
            f"Connection {connection.conn_id!r}: the URL (host) and {field} name two different {part_name}s: give one"
        )
    return in_url or in_field
