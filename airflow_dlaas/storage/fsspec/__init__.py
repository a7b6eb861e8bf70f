"""
An object store as a file system of fsspec, with paths ``container/key``.

The existing package swiftspec does not serve; its last release (0.0.4) is of 2022. Its paths contain the server and the
account, it does not renew tokens, and it stores a file in one request, from memory.

Nothing is cached between two calls. The properties of one file are read from the object itself, since listings may lag
behind. A store that does not respond is an error, never an empty folder or a file that does not exist.

The file system is built in three classes, each with one subject: `listing.StoreListing`, `file_content.StoreContent`
and `file_system.SwiftFileSystem`. The objects that `open` returns are in `file_objects`.
"""

from airflow_dlaas.storage.fsspec.file_system import SwiftFileSystem

__all__ = ["SwiftFileSystem"]
