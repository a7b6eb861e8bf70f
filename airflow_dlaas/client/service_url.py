"""The URL of a service, and the URLs and paths below it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

from airflow_dlaas._util.redact_url import redact_url
from airflow_dlaas.exceptions import NotConfigured, ProtocolError

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """The root of a service. It may have a path before ``/v3``, for a service behind a proxy."""

    parts: SplitResult

    @classmethod
    def parse(cls, url: str) -> ServiceUrl:
        """
        Read the service's URL from a configuration.

        :raises NotConfigured: *url* is not an HTTP URL, or has credentials, a query or a fragment. The message does not
            repeat it.
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
        """Whether connections use TLS."""
        return self.parts.scheme == "https"

    def websocket_url(self, path: str) -> str:
        """Return the URL of the WebSocket at *path*."""
        return urlunsplit(self.parts._replace(scheme="wss" if self.is_https else "ws")) + path

    def path_from_url(self, url: str) -> str:
        """
        Return the path of *url*, an absolute or relative URL of this service, for a `Call`.

        :raises ProtocolError: *url* is not a URL of this service.
        """
        parts = _split_url(url)
        if parts is None:
            raise ProtocolError(f"The URL is invalid; it must be one of the service {self}")
        if parts.netloc and not self._is_same_host(parts):
            raise ProtocolError(f"{redact_url(parts)} is not on the service {self}")
        path = parts.path
        if parts.netloc and self.parts.path and path.startswith(self.parts.path + "/"):
            path = path[len(self.parts.path) :]
        if not path.startswith("/") or path.startswith("//"):
            raise ProtocolError(f"{redact_url(parts)} is not a URL of the service {self}")
        return path + (f"?{parts.query}" if parts.query else "")

    def _is_same_host(self, other: SplitResult) -> bool:
        if other.scheme not in {*DEFAULT_PORTS, ""} or other.hostname != self.parts.hostname:
            return False
        # Behind a proxy that terminates TLS, the service has http in its URLs: only the path is used.
        ports = [(one.port or DEFAULT_PORTS.get(one.scheme), one.scheme) for one in (other, self.parts)]
        return ports[0][0] == ports[1][0] or all(port == DEFAULT_PORTS.get(scheme) for port, scheme in ports)


def _split_url(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is not a number
    except ValueError:
        return None
    return parts
