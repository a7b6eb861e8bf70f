"""
The class of universal_pathlib for ``swift://container/key``: the base of Airflow's `ObjectStoragePath`.

universal_pathlib finds this module by its entry point when it parses the first such path. It parses paths by the class
that fsspec has for their protocol, so this module registers that class. Without both classes universal_pathlib would
warn that such paths are not tested.

Airflow 3.1 does not use the entry point: there, import this module before the first path is made. Otherwise URIs are
written with one slash too many, although they mean the same path.
"""

from __future__ import annotations

from fsspec import register_implementation  # type: ignore[import-untyped]
from upath.implementations.cloud import CloudPath

from airflow_dlaas.fs.swift import ConnectionFileSystem

register_implementation("swift", ConnectionFileSystem, clobber=True)


class SwiftPath(CloudPath):
    """A path in an object store; its first component is the container."""

    __slots__ = ()
