"""
What universal_pathlib makes of ``swift://container/key``: the base of Airflow's `ObjectStoragePath`.

It finds this module by its entry point, when it meets such a path for the first time. Paths are taken apart by the
class that fsspec knows for them, so that is seen to here; without it, and without a class of its own, universal_pathlib
would warn that nobody has tested such paths.

Airflow 3.1 does not look for it: there, import this module before the first path is made, or addresses come out with a
slash too many, though what they mean is the same.
"""

from __future__ import annotations

from fsspec import register_implementation  # type: ignore[import-untyped]
from upath.implementations.cloud import CloudPath

from airflow_dlaas.fs.swift import ConnectionFileSystem

register_implementation("swift", ConnectionFileSystem, clobber=True)


class SwiftPath(CloudPath):
    """A path in an object store; its first step is the container."""

    __slots__ = ()
