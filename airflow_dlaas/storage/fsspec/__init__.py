"""
An object store as a file system of fsspec's, with paths ``container/key``.

There is a package for that, swiftspec, whose last release (0.0.4) is of 2022: its paths spell out the server and the
account, it does not renew tokens, and it stores a file in one request, from memory.

Nothing is remembered between two questions. What is asked of one file is asked of the object itself, since listings
may lag behind; and a store that does not answer is an error here, never an empty folder or a file that is not there.
"""

from airflow_dlaas.storage.fsspec.file_system import SwiftFileSystem

__all__ = ["SwiftFileSystem"]
