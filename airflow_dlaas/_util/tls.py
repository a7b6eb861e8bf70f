"""TLS contexts of clients."""

from __future__ import annotations

import ssl
from pathlib import Path


def tls_context(verify: bool | str | Path, *, default_ca: str | Path | None = None) -> ssl.SSLContext:
    """
    Return a client's context that trusts the authorities that *verify* names.

    :param verify: True checks certificates against *default_ca*; a path checks them against the authorities in that
        file, or in that folder (named by hash, as `openssl rehash` does); False checks nothing.
    :param default_ca: a file or a folder; None means the authorities of the operating system. To trust the same
        authorities as requests, pass `requests.utils.DEFAULT_CA_BUNDLE_PATH`.
    :raises ValueError: *verify* is an empty path.
    :raises OSError: there is no such file, or it has no certificates (`ssl.SSLError`).
    """
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    authorities = default_ca if verify is True else verify
    if authorities is None:
        return ssl.create_default_context()
    if not str(authorities):
        raise ValueError("The path of the certificate authorities is empty")
    path = Path(authorities)
    if path.is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
