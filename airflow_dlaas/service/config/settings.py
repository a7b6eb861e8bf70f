"""
What an operator of the service can choose: ``DLAAS_*``, read here and nowhere else.

The console's options are the same settings under shorter names: ``serve --port 9000`` says ``DLAAS_PORT=9000``.
A value that is not acceptable is refused with its variable's name and what it takes, before anything is started; so
is a ``DLAAS_*`` variable that is none.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.config.network_policy import require_tls
from airflow_dlaas.service.config.setting_types import SETTING_PARSERS
from airflow_dlaas.service.config.tls import TlsConfig
from airflow_dlaas.service.job_spec import DEFAULT_LOG_LIMIT, IsolationMode
from airflow_dlaas.service.object_store_allowlist import ALLOW_NONE, ObjectStoreAllowlist
from airflow_dlaas.service.object_store_allowlist import OBJECT_STORES_SETTING as STORES_SETTING

ENV_PREFIX = "DLAAS_"


@dataclass(frozen=True)
class Settings:
    """The service's settings; each is the variable of its name in capitals, with ``DLAAS_`` before it."""

    home: Path = field(default_factory=lambda: Path("~/.airflow-dlaas").expanduser())
    """Folder of everything the service keeps: database, zips, jobs, environments, the embedded Swift. Another folder is
    another service."""

    host: str = "127.0.0.1"
    """Address the API and the embedded Swift listen at. Anything but loopback needs TLS, or `insecure_listen`."""

    port: int = 8480
    """Port of the API; 0 takes any that is free, after a restart the one of the last time."""

    public_url: str | None = None
    """URL clients reach the API at, where it is not ``http://HOST:PORT`` (behind a proxy, say): asset URLs carry it.
    With TLS beyond loopback it says which name the certificate is for; the embedded Swift goes by that, too."""

    insecure_listen: bool = False
    """Whether to listen beyond loopback without TLS, so that passwords and tokens cross the network in the clear, or
    with a password that others may guess."""

    tls_certificate: Path | None = None
    """Certificate (PEM, with its chain) that the API and the embedded Swift show; both then speak https only. Read at
    each start: a renewed one needs a restart, which stops no training."""

    tls_key: Path | None = None
    """The certificate's private key (PEM, without a passphrase)."""

    tls_ca: Path | None = None
    """Authorities to trust (PEM) where the certificate is signed by none that everybody knows: connections.json names
    the file as ``ca_file``; the console and the trainings use it."""

    objectstore: Literal["embedded", "off"] = "embedded"
    """Whether the service brings its own Swift. Which others definitions may name, `object_stores` says."""

    objectstore_port: int = 8481
    """Port of the embedded Swift; 0 as for `port`. Connections hold it, so it had better stay the same."""

    object_stores: ObjectStoreAllowlist = ALLOW_NONE
    """The object stores that definitions may name besides the embedded one, by commas: ``host`` (any port of it),
    ``host:port``, ``*.example.org``; or ``any``. No other address is ever called because a definition says so."""

    database: str | None = field(default=None, repr=False)
    """SQLAlchemy URL of the database; by default SQLite in the home folder, which is enough for thousands of runs."""

    gpus: str = "auto"
    """The GPU slots: ``auto`` asks nvidia-smi (and takes ``virtual:4`` on a machine without GPUs), ``virtual:N``, or
    GPUs by index or UUID, separated by commas."""

    catalogue: Path | None = None
    """The site's own catalogue of runtimes (TOML), read after the built-in one."""

    run_limit: float | None = None
    """Seconds a training's command may take; by default as long as it wants, since only its author knows."""

    isolation: IsolationMode = "auto"
    """What keeps a training's command from the rest of the machine: ``auto`` is bubblewrap where it works, else
    nothing; ``bubblewrap`` runs nothing without it; ``none``. Containers keep theirs apart themselves."""

    visible: tuple[Path, ...] = ()
    """Further files and folders that isolated commands may read, by commas: a site's shared data, say."""

    log_limit: int = DEFAULT_LOG_LIMIT
    """Bytes that are kept of what a command prints; it may go on printing."""

    monitor_limit: int = 2000
    """Monitors (WebSockets that follow a log) that may be open at a time; as many again may be open of trainings that
    have ended. Further ones are refused with 429; waits go on without the log."""

    allow_nested: bool = False
    """Whether a zip of code may hold folders; the page says it may not."""

    zip_limit: int = 512 * 1024**2
    """Bytes of a zip of code at most. Code is small; data belongs in containers."""

    unpacked_limit: int = 2 * 1024**3
    """Bytes that a zip may unpack to: what keeps a zip bomb off the disk."""

    user: str = "dlaas"
    """The service's own user: whom connections.json and the console log in as."""

    password: str | None = field(default=None, repr=False)
    """That user's password; by default one is made up at the first start and kept in the home folder."""

    users: Path | None = None
    """File of further users, as ``htpasswd -B`` and ``airflow-dlaas users`` write it; read again when it changes.
    Nobody sees the experiments and trainings of another."""

    token_lifetime: timedelta = timedelta(hours=12)
    """How long a token is good for, in seconds. Clients renew one with fewer than 30 minutes left."""

    @property
    def tls(self) -> TlsConfig | None:
        """Certificate, key and authorities, where there is TLS."""
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return TlsConfig(self.tls_certificate, self.tls_key, self.tls_ca)


@dataclass(frozen=True)
class ClientSettings:
    """How the console's client commands get into a service."""

    url: str
    user: str
    password: str = field(repr=False)
    verify: bool | str = True
    """Whether its certificate must be good; a path names the authorities to trust."""


CLIENT_ONLY_SETTINGS = ("url",)
"""Variables that only the console's client commands read, besides ``user``, ``password`` and ``tls_ca``."""


def read_settings(environment: Mapping[str, str], options: Mapping[str, str | None] | None = None) -> Settings:
    """
    Read the settings from *environment*; what *options* name (``port``, say) wins over it. An empty value is none.

    :raises NotConfigured: naming the variable, and what it takes.
    """
    given = _read_environment(environment)
    given |= {name: value for name, value in (options or {}).items() if value}
    values = {name: _parse_setting(name, value) for name, value in given.items() if name not in CLIENT_ONLY_SETTINGS}
    settings = Settings(**values)
    _require_tls_pair(settings)
    if settings.tls is None and not settings.insecure_listen:
        require_tls(settings.host)
    if settings.objectstore == "off" and settings.object_stores == ALLOW_NONE:
        raise NotConfigured(
            "DLAAS_OBJECTSTORE is off and no other store is allowed, so nothing could be trained. Name the hosts that "
            f"definitions may use in {STORES_SETTING} (swift.example.org, 10.0.0.7:8080, *.example.net, or any)"
        )
    if settings.objectstore == "embedded" and settings.port == settings.objectstore_port != 0:
        raise NotConfigured(f"DLAAS_PORT and DLAAS_OBJECTSTORE_PORT are both {settings.port}; they take two ports")
    return settings


def read_client_settings(environment: Mapping[str, str], home: str | None = None) -> tuple[Path, dict[str, str]]:
    """
    Read what the client commands need: the home folder to find credentials in, and what was said instead of them.

    The second is a dict with any of ``url``, ``user``, ``password`` and ``tls_ca``.
    """
    given = _read_environment(environment)
    folder = home or given.get("home")
    path = cast("Path", _parse_setting("home", folder)) if folder else Settings().home
    said: dict[str, str] = {name: given[name] for name in ("url", "user", "password") if name in given}
    if "tls_ca" in given:
        said["tls_ca"] = str(_parse_setting("tls_ca", given["tls_ca"]))
    return path, said


def read_user_file_path(environment: Mapping[str, str]) -> Path | None:
    """Read which file the users are in; the other settings may be those of another machine."""
    given = _read_environment(environment).get("users")
    return cast("Path", _parse_setting("users", given)) if given else None


def _require_tls_pair(settings: Settings) -> None:
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        missing = "DLAAS_TLS_KEY" if settings.tls_key is None else "DLAAS_TLS_CERTIFICATE"
        raise NotConfigured(f"{missing} is missing: TLS needs both DLAAS_TLS_CERTIFICATE and DLAAS_TLS_KEY")


def _read_environment(environment: Mapping[str, str]) -> dict[str, str]:
    known = {one.name for one in fields(Settings)} | set(CLIENT_ONLY_SETTINGS)
    given: dict[str, str] = {}
    for variable, value in environment.items():
        if not variable.startswith(ENV_PREFIX) or not value:
            continue
        name = variable.removeprefix(ENV_PREFIX).lower()
        if name not in known or variable != variable.upper():
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {ENV_PREFIX}{near[0].upper()}?" if near else ""
            raise NotConfigured(f"{variable} is no setting of airflow-dlaas{hint}")
        given[name] = value
    return given


def _parse_setting(name: str, value: str) -> Any:
    reader, accepted = SETTING_PARSERS.get(name, (str, "text"))
    try:
        return reader(value if name == "password" else value.strip())
    except ValueError:
        raise NotConfigured(f"{ENV_PREFIX}{name.upper()} takes {accepted}, not {value!r}") from None
