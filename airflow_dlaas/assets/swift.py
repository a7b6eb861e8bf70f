"""
What lies in a container, as an asset: ``swift://connection@container/prefix``.

That is what `UploadDataOperator` returns. Airflow drops what stands before the ``@`` only where a password is in it,
so the connection stays: the same container name means another container to another account.
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
"""Signs that stand for themselves in the path of an address (RFC 3986)."""


def create_asset(
    *, container: str, prefix: str = "", conn_id: str = "swift_default", extra: dict[str, Any] | None = None
) -> Asset:
    """
    Make the asset of all that lies under *prefix* in *container*.

    :raises ValueError: *container* is not the name of a container, or *prefix* not a folder in one.
    """
    from airflow.sdk import Asset

    folder = _require_location(container, prefix)
    place = f"{quote(conn_id, safe='')}@{quote(container, safe='')}/{quote(folder, safe=SAFE_CHARACTERS)}"
    return Asset(uri=f"swift://{place}", extra=extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Bring an asset's address into its one form.

    :raises ValueError: the container is missing or is not the name of one, or what follows is not a folder in it.
    """
    if not uri.netloc.rpartition("@")[2]:
        raise ValueError(f"swift://{uri.netloc}{uri.path} names no container: an asset of Swift is {URI_FORMAT}")
    _require_location(unquote(uri.netloc.rpartition("@")[2]), unquote(uri.path))
    return uri


def _require_location(container: object, prefix: object) -> str:
    """Return *prefix* without the slashes at its ends."""
    try:
        require_container_name(container)
        return require_prefix(prefix.strip("/") if isinstance(prefix, str) else prefix)
    except InvalidName as error:
        raise InvalidName(f"{error}. An asset of Swift is {URI_FORMAT}") from None
