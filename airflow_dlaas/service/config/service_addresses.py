"""Host names and URLs by which clients reach the service."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from airflow_dlaas.service.config.network_policy import is_loopback
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.process.ports import connect_host, web_url


@dataclass(frozen=True)
class ServiceAddress:
    """The addresses of one service. Its API and its embedded Swift differ only in the port."""

    scheme: str
    listen_host: str
    """The address at which it listens."""
    url_host: str
    """The host in the URLs of the service."""
    public_host: str | None
    """The host in DLAAS_PUBLIC_URL; it may be that of a proxy."""
    certificate_names: tuple[str, ...]
    """The hosts for which the service's certificate must be valid."""

    @classmethod
    def from_settings(cls, settings: Settings) -> ServiceAddress:
        """Derive the addresses from *settings*."""
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        # With TLS, clients use the name in the certificate. Certificates hardly ever contain the listening address.
        certified = public if settings.tls is not None and not is_loopback(settings.host) else None
        name = certified or connect_host(settings.host)
        is_called_directly = settings.objectstore == "embedded" or settings.public_url is None
        return cls(
            scheme="https" if settings.tls else "http",
            listen_host=settings.host,
            url_host=name,
            public_host=public,
            certificate_names=(name,) if is_called_directly else (),
        )

    @property
    def reachable_host(self) -> str:
        """The host by which most clients can reach the service: that of a proxy if the service is on loopback."""
        return self.public_host if self.public_host and is_loopback(self.listen_host) else self.listen_host

    def url(self, port: int) -> str:
        """Return the root URL at *port*."""
        return web_url(self.scheme, self.url_host, port)

    def url_aliases(self, port: int) -> set[str]:
        """Return the root URLs at *port* with all hosts that certainly are this service, so clients may use any."""
        names = {self.url_host, connect_host(self.listen_host)}
        if is_loopback(connect_host(self.listen_host)):
            names.add("localhost")
        if not is_loopback(self.listen_host):
            names |= {socket.gethostname(), *filter(None, [self.public_host])}
        return {web_url(self.scheme, name, port) for name in names}
