"""The values of `--data` and `--results` that name a place in a store, or a mounted folder. No I/O."""

from __future__ import annotations

from airflow_dlaas.cli.train.options import DataSource
from airflow_dlaas.contract.store_names import require_container_name, require_prefix
from airflow_dlaas.exceptions import InvalidArgument

CONNECTIONS = {"s3": "aws_default", "gs": "google_cloud_default", "swift": None}
"""By the scheme of an address: the connection of an address that names none. None is the one of `--connection`."""

MOUNT = "mount:"
"""The beginning of a value that names a mounted folder of the machine of the service."""

FORMS = "s3://[CONNECTION@]BUCKET[/FOLDER], gs://…, swift://… or mount:/PATH"


def is_place(value: str) -> bool:
    """Whether *value* names data where it is; else it is the path of a folder or a file of this machine."""
    scheme, found, _ = value.partition("://")
    return value.startswith(MOUNT) or bool(found and "/" not in scheme)


def parse_place(value: str) -> DataSource:
    """
    Return the source that *value* names.

    :raises InvalidArgument: it has none of the forms, or a name in it cannot be one.
    """
    option = f"--data {value}"
    if value.startswith(MOUNT):
        path = value.removeprefix(MOUNT)
        path = f"/{path.lstrip('/')}" if path.startswith("/") else path
        if not path.startswith("/") or len(path) == 1:
            raise InvalidArgument(f"{option}: write mount:/PATH, with an absolute path of the machine of the service")
        return DataSource("", mount=path)
    return _parse_address(value, option)


def parse_results(value: str) -> DataSource:
    """
    Return the container of the results that *value* names, by its name or its address.

    :raises InvalidArgument: its scheme is none of a store, it has a folder, or a name in it cannot be one.
    """
    option = f"--results {value}"
    if not is_place(value):
        return DataSource(require_container_name(value, option))
    found = DataSource("", mount=value) if value.startswith(MOUNT) else _parse_address(value, option)
    if found.mount is not None or found.prefix:
        raise InvalidArgument(f"{option}: results go to a container, without a folder: write s3://[CONNECTION@]BUCKET")
    return found


def _parse_address(value: str, option: str) -> DataSource:
    scheme, _, rest = value.partition("://")
    if scheme not in CONNECTIONS:
        raise InvalidArgument(f"{option}: is neither a folder of this machine nor one of {FORMS}")
    place, _, folder = rest.partition("/")
    connection, _, container = place.rpartition("@")
    return DataSource(
        require_container_name(container, option),
        prefix=require_prefix(folder.rstrip("/"), option),
        connection=connection or CONNECTIONS[scheme],
    )
