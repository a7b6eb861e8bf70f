"""
The content of a container as an asset: ``swift://connection@container/prefix``.

`UploadDataOperator` returns this URI. Airflow removes the text before the ``@`` only if it contains a password, so the
connection stays. It is needed: two accounts may each have a container of the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from airflow_dlaas.contract.store_names import require_container_name, require_prefix
from airflow_dlaas.exceptions import InvalidName

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.sdk import Asset

URI_FORMAT = "swift://connection@container/prefix, where connection@ and prefix may be left out"

SAFE_CHARACTERS = "/!$&'()*+,;=:@"
"""Characters that are not quoted in the path of a URI (RFC 3986)."""


def create_asset(
    *, container: str, prefix: str = "", conn_id: str = "swift_default", extra: dict[str, Any] | None = None
) -> Asset:
    """
    Return the asset of everything under *prefix* in *container*.

    :raises ValueError: *container* is not the name of a container, or *prefix* is not a folder in one.
    """
    from airflow.sdk import Asset

    folder = _require_location(container, prefix)
    location = f"{quote(conn_id, safe='')}@{quote(container, safe='')}/{quote(folder, safe=SAFE_CHARACTERS)}"
    return Asset(uri=f"swift://{location}", extra=extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Check the URI of an asset; return it unchanged.

    :raises ValueError: the container is missing or has no valid name, or the text after it is not a folder in it.
    """
    if not uri.netloc.rpartition("@")[2]:
        raise ValueError(f"swift://{uri.netloc}{uri.path} names no container: an asset of Swift is {URI_FORMAT}")
    _require_location(unquote(uri.netloc.rpartition("@")[2]), unquote(uri.path))
    return uri


def _require_location(container: object, prefix: object) -> str:
    """Check both names; return *prefix* without the slashes at its ends."""
    try:
        require_container_name(container)
        return require_prefix(prefix.strip("/") if isinstance(prefix, str) else prefix)
    except InvalidName as error:
        raise InvalidName(f"{error}. An asset of Swift is {URI_FORMAT}") from None
