"""
The stores of a training as a DAG author writes them: sources of data, and where the results go.

Each is a dict, an entry of a training definition. So templates in it are rendered, a task can return it, and it can be
written in a definition too. No I/O; imports nothing of Airflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DEFAULT_CONN_ID = "swift_default"

MOUNT_TYPE = "mount_volume"


class DataSource(dict[str, Any]):
    """
    Training data in a container of an object store: an element of the parameter `training_data`.

    :param container: the container; in S3 and Cloud Storage, the bucket.
    :param conn_id: the id of the connection to the object store: of the type `swift`, `aws` or `google_cloud_platform`.
    :param prefix: the folder of the container that is the data; by default all of it.
    :param include: names and globs of the objects below *prefix* that are loaded; by default all.
    :param exclude: names and globs of the objects that are not loaded; it takes precedence over *include*.
    :param version: the version of the data (``sha256:…``) that an earlier training reported: exactly these objects are
        loaded, with this content.
    """

    def __init__(
        self,
        container: Any,
        conn_id: Any = DEFAULT_CONN_ID,
        *,
        prefix: Any = None,
        include: str | Sequence[Any] | None = None,
        exclude: str | Sequence[Any] | None = None,
        version: Any = None,
    ) -> None:
        source = {
            "container": container,
            "prefix": prefix,
            "include": _as_list(include),
            "exclude": _as_list(exclude),
            "version": version,
        }
        super().__init__(connection=conn_id, source={key: one for key, one in source.items() if one is not None})


class Mount(dict[str, Any]):
    """
    Training data in a folder that is mounted where the command runs: an element of the parameter `training_data`.

    It is not copied. The service's site decides which folders it allows.

    :param path: the absolute path of the folder, or of a file.
    :param read_only: whether the command cannot change it.
    """

    def __init__(self, path: Any, *, read_only: Any = True) -> None:
        source = {"type": MOUNT_TYPE, "path": path if path is None or hasattr(path, "iter_references") else str(path)}
        super().__init__(source=source if read_only is True else {**source, "read_only": read_only})


class ResultsContainer(dict[str, Any]):
    """
    The container of the results: the parameter `training_results`.

    :param container: the container; in S3 and Cloud Storage, the bucket.
    :param conn_id: the id of the connection to the object store: of the type `swift`, `aws` or `google_cloud_platform`.
    """

    def __init__(self, container: Any, conn_id: Any = DEFAULT_CONN_ID) -> None:
        super().__init__(connection=conn_id, target={"container": container})


def _as_list(patterns: str | Sequence[Any] | None) -> Any:
    return [patterns] if isinstance(patterns, str) else list(patterns) if isinstance(patterns, tuple) else patterns
