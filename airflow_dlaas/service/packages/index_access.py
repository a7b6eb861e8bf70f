"""Runs uv with the indexes, the wheels and the login of the site. No login is in a command line or in an output."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from airflow_dlaas.service.package_settings import (
    INDEX_PASSWORD_VARIABLE,
    INDEX_USER_VARIABLE,
    PackageCredentials,
    PackageSettings,
)
from airflow_dlaas.service.packages.errors import error_of_output
from airflow_dlaas.service.runtimes.pip_config import with_uv_variables
from airflow_dlaas.service.runtimes.uv import find_uv, run_uv

INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY")
"""Variables of uv for indexes; ``UV_INDEX_STRATEGY`` may be the one that pip's configuration stands for."""

MAX_RESOLVER_LINES = 20
"""Number of the last lines of uv that an error repeats: the reasons of a resolver are long."""


@dataclass(frozen=True, slots=True)
class UvRunner:
    """Runs uv for one environment."""

    environ: Mapping[str, str] = field(repr=False)
    on_progress: Callable[[str], None]
    offline: bool = False
    masked: tuple[str, ...] = field(default=(), repr=False)
    """Texts that no line of the output may have."""

    def run(
        self,
        what: str,
        *arguments: str,
        lock_fds: Sequence[int] = (),
        workdir: Path | None = None,
        find_links: Path | None = None,
    ) -> None:
        """
        Run uv with *arguments*.

        :param what: what did not succeed, for the error.
        :param find_links: a further folder of wheels.
        :raises RequirementsRefused, HostError: it failed; with the last lines of its output.
        """
        environ = dict(self.environ)
        if find_links is not None:
            environ["UV_FIND_LINKS"] = ",".join(filter(None, [str(find_links), environ.get("UV_FIND_LINKS")]))
        failed = run_uv(
            [find_uv(), *arguments],
            environ,
            lambda line: self.on_progress(self.mask(line)),
            lock_fds,
            workdir=workdir,
            max_lines=MAX_RESOLVER_LINES,
        )
        if failed is not None:
            raise error_of_output(what, [self.mask(line) for line in failed])

    @property
    def has_login(self) -> bool:
        """Whether uv's environment has a login, which the build of a package would see."""
        return bool(self.masked) or "NETRC" in self.environ

    def mask(self, line: str) -> str:
        """Return *line* without the password of the index."""
        for one in self.masked:
            line = line.replace(one, "***")
        return line


def open_runner(
    settings: PackageSettings,
    on_progress: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
) -> UvRunner:
    """
    Return the runner for *settings* and for the login in *environ* (None: this process's environment).

    uv also uses its own variables and pip's configuration, where the settings name nothing.
    """
    environ = os.environ if environ is None else environ
    credentials = PackageCredentials(environ.get(INDEX_USER_VARIABLE), environ.get(INDEX_PASSWORD_VARIABLE))
    inherited = {name: value for name, value in environ.items() if not name.startswith("DLAAS_")}
    masked = () if not credentials.password else (credentials.password, quote(credentials.password, safe=""))
    return UvRunner(
        uv_environ(with_uv_variables(inherited), settings, credentials), on_progress, settings.offline, masked
    )


def uv_environ(
    inherited: Mapping[str, str], settings: PackageSettings, credentials: PackageCredentials
) -> dict[str, str]:
    """
    Return the environment of uv.

    If *settings* name an index, they name all: a package must not come from an index that is in some configuration.
    """
    decided = settings.index is not None or settings.extra_indexes
    environ = {name: value for name, value in inherited.items() if not (decided and name in INDEX_VARIABLES)}
    environ["UV_PYTHON_DOWNLOADS"] = "never"
    if settings.index is not None:
        environ["UV_DEFAULT_INDEX"] = with_login(settings.index, settings.index, credentials)
    if settings.extra_indexes:
        home = settings.index or settings.extra_indexes[0]
        environ["UV_INDEX"] = " ".join(with_login(one, home, credentials) for one in settings.extra_indexes)
    if settings.wheels is not None:
        environ["UV_FIND_LINKS"] = ",".join(filter(None, [str(settings.wheels), inherited.get("UV_FIND_LINKS")]))
    if settings.offline:
        environ["UV_OFFLINE"] = "1"
    if settings.netrc is not None:
        environ["NETRC"] = str(settings.netrc)
    return environ


def with_login(url: str, index: str, credentials: PackageCredentials) -> str:
    """Return *url* with the login, if it is on the same server as *index*."""
    parts = urlsplit(url)
    if not credentials.user or parts.netloc != urlsplit(index).netloc:
        return url
    login = ":".join(quote(one, safe="") for one in (credentials.user, credentials.password or ""))
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))


def pip_variables(settings: PackageSettings) -> dict[str, str]:
    """Return the variables by which pip in a command finds the site's packages: without any login."""
    found: dict[str, str] = {}
    if settings.index is not None:
        found["PIP_INDEX_URL"] = settings.index
    if settings.extra_indexes:
        found["PIP_EXTRA_INDEX_URL"] = " ".join(settings.extra_indexes)
    if settings.wheels is not None:
        found["PIP_FIND_LINKS"] = str(settings.wheels)
    if settings.offline:
        found["PIP_NO_INDEX"] = "1"
    return found
