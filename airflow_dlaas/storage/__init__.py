"""
Object stores and transfers: bytes, names and checksums, for the provider and for the service.

What a training, an experiment or a task is does not belong here. Callers pass the configuration; from the environment
come only proxies and trusted certificates, as requests reads them, and the directory for caches (XDG). No error of a
library leaves the package.

``object_store``  the interface of a store, and its guarantees; no I/O
``swift``         OpenStack Swift as a store
``gcs``           Google Cloud Storage as a store
``transfer``      uploads, downloads, copies and removals of many files: planned, then carried out
``sources``       what is uploaded: files of this machine, or of a file system of fsspec
``fsspec``        a store as a file system of fsspec
``segments``      how a large object is divided into parts, and its ETag; no I/O
``checksums``     comparison of received bytes with the MD5s of what was stored; no I/O
``body``          content that is uploaded, as it is read and sent
``atomic_write``  downloaded files that appear complete or not at all
``store_helpers``  operations that need only the interface of a store
``whole_objects``  base class of a store whose objects own nothing but themselves
"""
