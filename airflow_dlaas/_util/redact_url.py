"""URLs for logs and error messages."""

from __future__ import annotations

from urllib.parse import SplitResult, urlunsplit


def redact_url(parts: SplitResult, path: str | None = None) -> str:
    """
    Return a URL without user, password, path parameters, query and fragment: each of them may have a secret.

    :param path: a path instead of the URL's own.
    """
    shown = parts.path if path is None else path
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], shown.partition(";")[0], "", ""))
