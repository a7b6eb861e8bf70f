"""What the service is called by those who reach it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from airflow_dlaas.service.config.network_policy import is_loopback
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.process.ports import called, web_url


@dataclass(frozen=True)
class Address:
    """The names of one service; its API and its Swift share all but the port."""

    scheme: str
    host: str
    """What it listens at."""
    name: str
    """What its URLs call it."""
    public: str | None
    """The name in DLAAS_PUBLIC_URL; somebody else's, maybe: a proxy's."""
    proved: tuple[str, ...]
    """Those of its names that its own certificate has to be for."""

    @classmethod
    def of(cls, settings: Settings) -> Address:
        """Work it out."""
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        # With TLS, clients call it by the name in its certificate; the address it listens at is hardly ever in there.
        certified = public if settings.tls is not None and not is_loopback(settings.host) else None
        name = certified or called(settings.host)
        ours = settings.objectstore == "embedded" or settings.public_url is None
        return cls(
            scheme="https" if settings.tls else "http",
            host=settings.host,
            name=name,
            public=public,
            proved=(name,) if ours else (),
        )

    @property
    def reached_at(self) -> str:
        """The name by which most can reach it: a proxy's, maybe, before a service on loopback."""
        return self.public if self.public and is_loopback(self.host) else self.host

    def url(self, port: int) -> str:
        """Its root at *port*."""
        return web_url(self.scheme, self.name, port)

    def spellings(self, port: int) -> set[str]:
        """Its root at *port* by every name that it certainly has, and that a client may use instead."""
        names = {self.name, called(self.host)}
        if is_loopback(called(self.host)):
            names.add("localhost")
        if not is_loopback(self.host):
            names |= {socket.gethostname(), *filter(None, [self.public])}
        return {web_url(self.scheme, name, port) for name in names}
