"""URLs for logs and error messages."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>)\]]+", re.IGNORECASE)


def redact_url(parts: SplitResult, path: str | None = None) -> str:
    """
    Return a URL without user, password, path parameters, query and fragment: each of them may have a secret.

    :param path: a path instead of the URL's own.
    """
    shown = parts.path if path is None else path
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], shown.partition(";")[0], "", ""))


def redact_urls(text: str) -> str:
    """Return *text* with each URL in it redacted: the message of a library may hold a signed URL."""
    return _URL.sub(_redact_match, text)


def _redact_match(match: re.Match[str]) -> str:
    try:
        return redact_url(urlsplit(match[0]))
    except ValueError:  # no valid URL, so nothing is known about its parts
        return "***"
