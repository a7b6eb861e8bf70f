"""
The settings of the service, and their defaults. `read_settings` reads them from the ``DLAAS_*`` variables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from airflow_dlaas.service.config.client_settings import default_home
from airflow_dlaas.service.config.tls import TlsConfig
from airflow_dlaas.service.image_allowlist import ALLOW_NO_IMAGE, ImageAllowlist
from airflow_dlaas.service.job_settings import DEFAULT_LOG_LIMIT, IsolationMode, MountRoot
from airflow_dlaas.service.object_store_allowlist import ALLOW_NONE, ObjectStoreAllowlist
from airflow_dlaas.service.package_settings import (
    DEFAULT_PACKAGES_LIMIT,
    INDEX_PASSWORD_VARIABLE,
    INDEX_USER_VARIABLE,
    PackageSettings,
)


@dataclass(frozen=True)
class Settings:
    """The settings of the service. The variable of a setting is ``DLAAS_`` and its name in capitals."""

    home: Path = field(default_factory=default_home)
    """The data directory: database, archives, job directories, environments, the embedded Swift. Each directory
    belongs to one service."""

    host: str = "127.0.0.1"
    """Address at which the API and the embedded Swift listen. All but loopback needs TLS or `insecure_listen`."""

    port: int = 8480
    """Port of the API. 0 takes any free port, and after a restart the same one again if it is free."""

    public_url: str | None = None
    """URL by which clients reach the API if it is not ``http://HOST:PORT``, for example behind a proxy. URLs of assets
    begin with it. With TLS beyond loopback, the certificate must be valid for its host, and the embedded Swift uses
    that host too."""

    insecure_listen: bool = False
    """Whether to permit listening beyond loopback without TLS, so that passwords and tokens cross the network in the
    clear, or with a weak password."""

    tls_certificate: Path | None = None
    """Certificate (PEM, with its chain) of the API and the embedded Swift; with it, both accept https only. It is read
    at each start: a renewed certificate needs a restart, which stops no training."""

    tls_key: Path | None = None
    """The certificate's private key (PEM, without a passphrase)."""

    tls_ca: Path | None = None
    """Certificate authorities to trust (PEM), if the certificate is not signed by a public one. connections.json names
    the file as ``ca_file``; the command line and the trainings use it."""

    objectstore: Literal["embedded", "off"] = "embedded"
    """Whether the service runs its own Swift. `object_stores` lists the other stores that definitions may name."""

    objectstore_port: int = 8481
    """Port of the embedded Swift; 0 as for `port`. Airflow connections contain it, so it should stay the same."""

    object_stores: ObjectStoreAllowlist = ALLOW_NONE
    """The object stores that definitions may name besides the embedded one, separated by commas: ``host`` (all ports),
    ``host:port``, ``*.example.org``; or ``any``. The service calls no other address that a definition names."""

    database: str | None = field(default=None, repr=False)
    """SQLAlchemy URL of the database. The default is SQLite in the data directory, which is enough for thousands of
    trainings."""

    gpus: str = "auto"
    """The GPU slots: ``auto`` (the GPUs that nvidia-smi lists, or ``virtual:4`` on a machine without GPUs),
    ``virtual:N``, or GPUs by index or UUID, separated by commas."""

    cpus: float | Literal["auto"] | None = "auto"
    """The CPUs that all trainings may take together: a number, ``auto`` (those that the service may use), or ``none``
    (they are not counted). A training counts with the CPUs in its definition; one without GPUs and without a number of
    CPUs gets one."""

    memory: int | Literal["auto"] | None = "auto"
    """Bytes of memory that all trainings may take together, ``auto`` (the memory of the machine, or of the service's
    control group), or ``none``. A training counts with the memory in its definition."""

    cgroups: str = "auto"
    """Control groups (cgroups), in which the kernel limits a training's CPUs and memory: ``auto`` (if the service's
    user can make some), ``off``, or the path of a group of version 2 that was delegated to this user and has no
    processes."""

    catalogue: Path | None = None
    """The site's own catalogue of runtimes (TOML), in addition to the built-in one; read again when it changes."""

    images: ImageAllowlist = ALLOW_NO_IMAGE
    """The container images that definitions may name, as patterns separated by commas:
    ``registry.example.org/team/*:*``. By default none."""

    checkpoints_kept: int = 2
    """Complete checkpoints of a training that are kept in its results container; 0: none is stored during the run."""

    grace_limit: float = 600.0
    """Seconds that a definition may ask for to save the state of a stopped command (``execution.grace``)."""

    run_limit: float | None = None
    """Seconds that the command of a training may take. By default there is no limit: only its author knows one."""

    isolation: IsolationMode = "auto"
    """What separates the command of a training from the rest of the machine: ``auto`` (bubblewrap if it works, else
    nothing), ``bubblewrap`` (trainings fail without it), or ``none``. Containers isolate their commands themselves."""

    secrets_without_isolation: bool = False
    """Whether a training may have secrets (``execution.secrets``) where its command is not isolated, so that every
    other training of the machine can read them."""

    visible: tuple[Path, ...] = ()
    """Further files and folders that isolated commands may read, separated by commas, for example shared data."""

    data_cache: Path | Literal["auto"] | None = "auto"
    """Where training data is kept for the next training: a folder, ``auto`` (``data-cache`` in the data directory) or
    ``off``. Services of one machine may share a folder."""

    data_cache_limit: int | None = None
    """Bytes of the cache, at most. The default is a quarter of its disk, and 100 GiB at most; it is decided at each
    start. The least recently used data is removed first, and never what a training uses."""

    mounts: tuple[MountRoot, ...] = ()
    """The folders below which definitions may name mounted folders (``mount_volume``), separated by commas; one that
    ends with ``:rw`` may be changed by commands. By default no definition may name one."""

    results_store: Path | None = None
    """A JSON file with the ``connection`` and the ``target`` of the results of definitions that name no store; read
    again when it changes. Its secrets are stored with each training, encrypted, and are in no response."""

    log_limit: int = DEFAULT_LOG_LIMIT
    """Bytes of a command's output that are kept. A command may print more."""

    monitor_limit: int = 2000
    """Log streams (WebSockets) of running trainings that may be open at the same time, and as many again of ended
    trainings. Further ones are refused with 429; tasks then wait for their trainings without the log."""

    allow_nested: bool = False
    """Whether an archive of code may contain folders. The documentation of 2017 does not permit it."""

    zip_limit: int = 512 * 1024**2
    """Bytes of an archive of code at most. Code is small; data belongs in containers."""

    unpacked_limit: int = 2 * 1024**3
    """Bytes that an archive may unpack to. The limit stops zip bombs."""

    user: str = "dlaas"
    """The service's own user, with which connections.json and the command line log in."""

    password: str | None = field(default=None, repr=False)
    """The password of `user`. By default the first start generates one and stores it in the data directory."""

    users: Path | None = None
    """File of further users, as ``htpasswd -B`` and ``airflow-dlaas users`` write it; read again when it changes.
    A user cannot see the experiments and trainings of another user."""

    package_index: str | None = None
    """URL of the package index (PEP 503) from which packages of trainings come, without credentials. By default it is
    the one of uv's and pip's own configuration, or PyPI."""

    package_extra_indexes: tuple[str, ...] = ()
    """URLs of further indexes, separated by commas. They come first: a package that one of them has is taken from
    there."""

    package_index_user: str | None = None
    """The login at `package_index`, and at the extra indexes on the same server. No command of a training gets it."""

    package_index_password: str | None = field(default=None, repr=False)
    """The password or token of `package_index_user`."""

    package_netrc: Path | None = None
    """A netrc file with the logins of package indexes, instead of `package_index_user`."""

    wheels: Path | None = None
    """A folder of wheels from which packages are installed, in addition to the indexes. Commands can read it."""

    packages_offline: bool = False
    """Whether packages come from `wheels` only, and no index is asked."""

    packages_max_age: float | None = None
    """Seconds after which the requirements of a training are resolved again. By default a lock is used until the
    requirements change."""

    packages_limit: int = DEFAULT_PACKAGES_LIMIT
    """Bytes that environments of packages may take on disk: the least recently used are removed, and none that is in
    use."""

    token_lifetime: timedelta = timedelta(hours=12)
    """How long a token is valid; the variable is in seconds. Clients renew a token in its last 30 minutes."""

    @property
    def tls(self) -> TlsConfig | None:
        """Certificate, key and authorities; None without TLS."""
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return TlsConfig(self.tls_certificate, self.tls_key, self.tls_ca)

    @property
    def packages(self) -> PackageSettings:
        """Where packages of trainings come from, without the login."""
        return PackageSettings(
            index=self.package_index,
            extra_indexes=self.package_extra_indexes,
            wheels=self.wheels,
            offline=self.packages_offline,
            netrc=self.package_netrc,
            max_age=self.packages_max_age,
            limit=self.packages_limit,
        )

    @property
    def package_login(self) -> dict[str, str]:
        """The login at the package index, as environment variables of the learner."""
        login = {INDEX_USER_VARIABLE: self.package_index_user, INDEX_PASSWORD_VARIABLE: self.package_index_password}
        return {name: value for name, value in login.items() if value is not None}
