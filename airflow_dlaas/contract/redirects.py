"""
The error message for a redirect that is not followed.

A request with a credential follows no redirect: the server at the other address would receive the credential. This
module does no I/O.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit

from airflow_dlaas._util.redact_url import redact_url

MAX_URL_LENGTH = 200
"""Characters of a redirect's target; a longer one is not shown."""


def describe_redirect(base_url: str, request_url: str, status: int, location: str | None, setting: str) -> str:
    """
    Return the error message for the redirect of a request, with the value that the user must change.

    :param base_url: the configured URL, the value of *setting*. If *request_url* and *location* both continue a base
        URL with the same path, the message has the new value of *setting*; otherwise the new host.
    :param status: the HTTP status of the response.
    :param location: the ``Location`` header of the response.
    :param setting: the name of the setting, as the message has it.
    """
    base_url, request_url = base_url.rstrip("/"), request_url.partition("?")[0]
    target = _parse_location(request_url, location)
    reason = "The redirect is not followed, because the request carries a credential"
    host = _origin(request_url)
    if target is None:
        return f"{host} redirects to no usable address ({status}). {reason}. Check {setting}"
    path = request_url.removeprefix(base_url) if request_url.startswith(base_url) else None
    same_path = path is not None and target.path.endswith(path)
    target_url = redact_url(target, target.path.removesuffix(path or "") if same_path else "")
    if target_url == (base_url if same_path else host):
        return f"{host} redirects to another path on the same host ({status}). {reason}. Check {setting}"
    return f"{host} redirects to {target_url} ({status}). {reason}: if {target_url} is correct, set {setting} to it"


def _parse_location(request_url: str, location: str | None) -> SplitResult | None:
    """Return the target of the redirect; None if it is not the URL of a server, or if it cannot be shown."""
    try:
        target = urlsplit(urljoin(request_url, location or ""))
        _ = target.port  # raises for a port that is not a number
    except ValueError:
        return None
    if not location or target.scheme not in {"http", "https", "ws", "wss"} or not target.hostname:
        return None
    shown = redact_url(target)
    can_be_shown = shown.isascii() and shown.isprintable() and " " not in shown and len(shown) <= MAX_URL_LENGTH
    return target if can_be_shown else None


def _origin(url: str) -> str:
    return redact_url(urlsplit(url), "")
