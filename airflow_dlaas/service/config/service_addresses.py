"""What the service is called by those who reach it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from airflow_dlaas.service.config.network_policy import is_loopback
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.process.ports import connect_host, web_url


@dataclass(frozen=True)
class ServiceAddress:
    """The names of one service; its API and its Swift share all but the port."""

    scheme: str
    listen_host: str
    """What it listens at."""
    url_host: str
    """What its URLs call it."""
    public_host: str | None
    """The name in DLAAS_PUBLIC_URL; somebody else's, maybe: a proxy's."""
    certificate_names: tuple[str, ...]
    """Those of its names that its own certificate has to be for."""

    @classmethod
    def from_settings(cls, settings: Settings) -> ServiceAddress:
        """Work it out."""
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        # With TLS, clients call it by the name in its certificate; the address it listens at is hardly ever in there.
        certified = public if settings.tls is not None and not is_loopback(settings.host) else None
        name = certified or connect_host(settings.host)
        ours = settings.objectstore == "embedded" or settings.public_url is None
        return cls(
            scheme="https" if settings.tls else "http",
            listen_host=settings.host,
            url_host=name,
            public_host=public,
            certificate_names=(name,) if ours else (),
        )

    @property
    def reachable_host(self) -> str:
        """The name by which most can reach it: a proxy's, maybe, before a service on loopback."""
        return self.public_host if self.public_host and is_loopback(self.listen_host) else self.listen_host

    def url(self, port: int) -> str:
        """Its root at *port*."""
        return web_url(self.scheme, self.url_host, port)

    def url_aliases(self, port: int) -> set[str]:
        """Its root at *port* by every name that it certainly has, and that a client may use instead."""
        names = {self.url_host, connect_host(self.listen_host)}
        if is_loopback(connect_host(self.listen_host)):
            names.add("localhost")
        if not is_loopback(self.listen_host):
            names |= {socket.gethostname(), *filter(None, [self.public_host])}
        return {web_url(self.scheme, name, port) for name in names}
