"""
What lies in a container, as an asset: ``swift://connection@container/prefix``.

That is what `UploadDataOperator` returns. Airflow drops what stands before the ``@`` only where a password is in it,
so the connection stays: the same container name means another container to another account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.sdk import Asset

FORM = "swift://connection@container/prefix, where connection@ and prefix may be left out"

PLAIN = "/!$&'()*+,;=:@"
"""Signs that stand for themselves in the path of an address (RFC 3986)."""


def create_asset(
    *, container: str, prefix: str = "", conn_id: str = "swift_default", extra: dict[str, Any] | None = None
) -> Asset:
    """
    Make the asset of all that lies under *prefix* in *container*.

    :raises ValueError: the container is missing, or holds a slash.
    """
    from airflow.sdk import Asset

    if not container or "/" in container:
        raise ValueError(f"{container!r} cannot be a container's name: an asset of Swift is {FORM}")
    place = f"{quote(conn_id, safe='')}@{quote(container, safe='')}/{quote(prefix.strip('/'), safe=PLAIN)}"
    return Asset(uri=f"swift://{place}", extra=extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Bring an asset's address into its one form.

    :raises ValueError: the container is missing.
    """
    if not uri.netloc.rpartition("@")[2]:
        raise ValueError(f"swift://{uri.netloc}{uri.path} names no container: an asset of Swift is {FORM}")
    return uri
