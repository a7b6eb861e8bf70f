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
    path = asked.removeprefix(base.rstrip("/")) if asked.startswith(base.rstrip("/")) else None
    target = _target(asked, location, path)
    if target is None:
        return (
            f"{_origin(asked)} answers with a redirect ({status}) to no usable address; redirects are not followed, "
            f"because the request carries a credential. Check {setting}"
        )
    return (
        f"{_origin(asked)} redirects to {target} ({status}). The redirect is not followed, because the request carries "
        f"a credential: if {target} is the right address, set {setting} to it"
    )


def _target(asked: str, location: str | None, path: str | None) -> str | None:
    """
    The address that *location* means, without *path* at its end.

    User, query and fragment are left out: they may be secret. None where it is no address of http or https.
    """
    try:
        there = urlsplit(urljoin(asked, location or ""))
        _ = there.port  # a port that is no number is noticed only when it is read
    except ValueError:
        return None
    if not location or there.scheme not in {"http", "https", "ws", "wss"} or not there.hostname:
        return None
    if path is not None and there.path.endswith(path):
        shown = _spell(there, there.path.removesuffix(path) if path else there.path)
    else:
        shown = _spell(there, there.path if path == "" else "")
    return shown if shown.isascii() and shown.isprintable() and " " not in shown and len(shown) <= SHOWN else None


def _origin(url: str) -> str:
    return _spell(urlsplit(url), "")


def _spell(parts: SplitResult, path: str) -> str:
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path.partition(";")[0], "", ""))
