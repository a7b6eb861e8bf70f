"""
The error text for a redirect that is not followed.

A request that carries a credential follows no redirect: whatever listens at the other address would get the
credential. Pure: nothing is sent or looked up here.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

MAX_URL_LENGTH = 200
"""Characters of an address in an error."""


def describe_redirect(base_url: str, request_url: str, status: int, location: str | None, setting: str) -> str:
    """
    Describe the answer *status* and *location* to a request for *request_url*, and what to change.

    :param base_url: the configured URL, which *setting* holds. Where both *request_url* and *location* only continue it with the
        same path, the new value of *setting* is named; otherwise the new host.
    """
    base_url, request_url = base_url.rstrip("/"), request_url.partition("?")[0]
    there = _parse_location(request_url, location)
    reason = "The redirect is not followed, because the request carries a credential"
    host = _origin(request_url)
    if there is None:
        return f"{host} redirects to no usable address ({status}). {reason}. Check {setting}"
    path = request_url.removeprefix(base_url) if request_url.startswith(base_url) else None
    known = path is not None and there.path.endswith(path)
    target = _redact_url(there, there.path.removesuffix(path or "") if known else "")
    if target == (base_url if known else host):
        return f"{host} redirects to another path on the same host ({status}). {reason}. Check {setting}"
    return f"{host} redirects to {target} ({status}). {reason}: if {target} is the right address, set {setting} to it"


def _parse_location(request_url: str, location: str | None) -> SplitResult | None:
    """The address that *location* means; None where it is none that can be asked, or that can be shown."""
    try:
        there = urlsplit(urljoin(request_url, location or ""))
        _ = there.port  # a port that is no number is noticed only when it is read
    except ValueError:
        return None
    if not location or there.scheme not in {"http", "https", "ws", "wss"} or not there.hostname:
        return None
    shown = _redact_url(there, there.path)
    return (
        there if shown.isascii() and shown.isprintable() and " " not in shown and len(shown) <= MAX_URL_LENGTH else None
    )


def _origin(url: str) -> str:
    return _redact_url(urlsplit(url), "")


def _redact_url(parts: SplitResult, path: str) -> str:
    """Without user, query and fragment: they may be secret."""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path.partition(";")[0], "", ""))
