"""Where a service is, and what lies there."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

from airflow_dlaas.exceptions import NotConfigured, ProtocolError

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """The root of a service; a path before ``/v3`` is kept, for those behind a proxy."""

    parts: SplitResult

    @classmethod
    def parse(cls, url: str) -> ServiceUrl:
        """
        Read what a person gave as the service's URL.

        :raises NotConfigured: it is none, or carries what does not belong there.
        """
        parts = _split_url(url.strip())
        if parts is None or parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise NotConfigured("The service's URL must begin with http:// or https:// and name a host")
        if parts.username is not None or parts.password is not None:
            raise NotConfigured("The service's URL must not carry credentials: they belong in login and password")
        if parts.query or parts.fragment:
            raise NotConfigured("The service's URL must not carry a query or a fragment")
        return cls(parts._replace(path=parts.path.rstrip("/")))

    def __str__(self) -> str:
        return urlunsplit(self.parts)

    @property
    def is_https(self) -> bool:
        """Whether it is reached through TLS."""
        return self.parts.scheme == "https"

    def websocket_url(self, path: str) -> str:
        """Where a WebSocket for *path* is opened."""
        return urlunsplit(self.parts._replace(scheme="wss" if self.is_https else "ws")) + path

    def path_from_url(self, url: str) -> str:
        """
        Turn the *url* of something at this service, absolute or relative, into the path that calls go to.

        :raises Misunderstood: it lies elsewhere.
        """
        there = _split_url(url)
        if there is None or (there.netloc and not self._is_same_host(there)):
            raise ProtocolError(f"{_redact_url(there)} does not lie on the service {self}")
        path = there.path
        if there.netloc and self.parts.path and path.startswith(self.parts.path + "/"):
            path = path[len(self.parts.path) :]
        if not path.startswith("/") or path.startswith("//"):
            raise ProtocolError(f"{_redact_url(there)} is no address at the service {self}")
        return path + (f"?{there.query}" if there.query else "")

    def _is_same_host(self, other: SplitResult) -> bool:
        if other.scheme not in {*DEFAULT_PORTS, ""} or other.hostname != self.parts.hostname:
            return False
        # Behind a proxy that ends TLS the service sees http, and says so in its URLs: only the path is used.
        ports = [(one.port or DEFAULT_PORTS.get(one.scheme), one.scheme) for one in (other, self.parts)]
        return ports[0][0] == ports[1][0] or all(port == DEFAULT_PORTS.get(scheme) for port, scheme in ports)


def _split_url(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # is looked at only when asked for
    except ValueError:
        return None
    return parts


def _redact_url(parts: SplitResult | None) -> str:
    """A URL for an error, without what may be secret in it."""
    if parts is None:
        return "What was given as a URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
