"""
The error text for a redirect that is not followed.

A request that carries a credential follows no redirect: whatever listens at the other address would get the
credential. Pure: nothing is sent or looked up here.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

SHOWN = 200
"""Characters of an address in an error."""


def describe_redirect(base: str, asked: str, status: int, location: str | None, setting: str) -> str:
    """
    Describe the answer *status* and *location* to a request for *asked*, and what to change.

    :param base: the configured URL, which *setting* holds. Where both *asked* and *location* only continue it with the
        same path, the new value of *setting* is named; otherwise the new host.
    """
    base, asked = base.rstrip("/"), asked.partition("?")[0]
    there = _parse(asked, location)
    reason = "The redirect is not followed, because the request carries a credential"
    host = _origin(asked)
    if there is None:
        return f"{host} redirects to no usable address ({status}). {reason}. Check {setting}"
    path = asked.removeprefix(base) if asked.startswith(base) else None
    known = path is not None and there.path.endswith(path)
    target = _spell(there, there.path.removesuffix(path or "") if known else "")
    if target == (base if known else host):
        return f"{host} redirects to another path on the same host ({status}). {reason}. Check {setting}"
    return f"{host} redirects to {target} ({status}). {reason}: if {target} is the right address, set {setting} to it"


def _parse(asked: str, location: str | None) -> SplitResult | None:
    """The address that *location* means; None where it is none that can be asked, or that can be shown."""
    try:
        there = urlsplit(urljoin(asked, location or ""))
        _ = there.port  # a port that is no number is noticed only when it is read
    except ValueError:
        return None
    if not location or there.scheme not in {"http", "https", "ws", "wss"} or not there.hostname:
        return None
    shown = _spell(there, there.path)
    return there if shown.isascii() and shown.isprintable() and " " not in shown and len(shown) <= SHOWN else None


def _origin(url: str) -> str:
    return _spell(urlsplit(url), "")


def _spell(parts: SplitResult, path: str) -> str:
    """Without user, query and fragment: they may be secret."""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path.partition(";")[0], "", ""))
