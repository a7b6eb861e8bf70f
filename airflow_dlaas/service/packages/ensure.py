"""Provides the packages that a bundle requires: the stored lock or a new one, and the environment of that lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.package_settings import PackageSettings
from airflow_dlaas.service.packages import retention
from airflow_dlaas.service.packages.in_use import environment_in_use
from airflow_dlaas.service.packages.index_access import UvRunner, open_runner
from airflow_dlaas.service.packages.layer import ensure_layer, is_complete
from airflow_dlaas.service.packages.requirements import RequestedPackages
from airflow_dlaas.service.packages.resolve import resolve
from airflow_dlaas.service.packages.runtime_python import identify_runtime, inspect_python
from airflow_dlaas.service.packages.stored_locks import StoredLock, layer_key, read_lock, request_key, write_lock

PACKAGES_FOLDER = "packages"
"""The folder of these environments, in the folder of the runtimes' environments."""

LOCKS_FOLDER = "locks"


@dataclass(frozen=True, slots=True)
class InstalledPackages:
    """What a training got."""

    lock: str
    """The lock: exact versions with hashes; empty if the runtime has everything."""
    bin_folder: Path | None
    """The ``bin`` directory of the environment; None if the lock is empty."""


@dataclass(frozen=True, slots=True)
class PackageInstaller:
    """Where and how packages are installed for the trainings of a service."""

    environments_dir: Path
    settings: PackageSettings
    on_progress: Callable[[str], None]
    on_prepare: Callable[[], object] = lambda: None
    """Called once, before anything is resolved or installed; not if everything exists."""
    allow_build: bool = False
    """Whether packages without a wheel may be built, if no login is set: a build could read it."""

    @property
    def folder(self) -> Path:
        return self.environments_dir / PACKAGES_FOLDER

    @contextmanager
    def install(self, requested: RequestedPackages, runtime_bin: Path) -> Iterator[InstalledPackages]:
        """
        Provide the packages that a bundle requires; they stay in use, and on disk, during the block.

        :raises RequirementsRefused: they cannot be had; the author of the code can change that.
        :raises HostError, OSError: the service's side is the cause.
        """
        runner, identity = open_runner(self.settings, self.on_progress), identify_runtime(runtime_bin)
        (self.folder / LOCKS_FOLDER).mkdir(parents=True, exist_ok=True)
        allow_build = self.allow_build and not runner.has_login
        path = self.folder / LOCKS_FOLDER / f"{request_key(requested, identity)}.json"
        lock = self._find_lock(path, requested, runtime_bin, runner, allow_build=allow_build)
        if not lock:
            yield InstalledPackages(lock, None)
            return
        environment = self.folder / layer_key(lock, identity)
        with environment_in_use(environment):
            if not is_complete(environment):
                self.on_prepare()
            if ensure_layer(environment, lock, runtime_bin, runner, allow_build=allow_build):
                retention.enforce_limit(self.folder, self.settings.limit, self.on_progress)
            yield InstalledPackages(lock, environment / "bin")

    def _find_lock(
        self, path: Path, requested: RequestedPackages, runtime_bin: Path, runner: UvRunner, *, allow_build: bool
    ) -> str:
        """Return the lock that is stored at *path*, or resolve it. An old one is kept if the index does not answer."""
        stored, max_age = read_lock(path), self.settings.max_age
        if stored is not None and stored.is_fresh(max_age):
            return stored.text
        self.on_prepare()
        with file_lock(
            path.with_suffix(".lock"),
            on_wait=lambda: self.on_progress("Another training resolves these requirements; waiting for it to finish"),
        ):
            stored = read_lock(path)
            if stored is not None and stored.is_fresh(max_age):
                return stored.text
            self.on_progress(f"Resolving {requested.origin}; the lock is used again by later trainings")
            try:
                runtime = inspect_python(runtime_bin)
                text = resolve(requested, runtime, runner, self.folder, allow_build=allow_build)
            except HostError as error:
                if stored is None:
                    raise
                self.on_progress(f"Resolving failed, the lock of {stored.resolved_at:%Y-%m-%d} is used again: {error}")
                return stored.text
            write_lock(path, StoredLock(text, datetime.now(timezone.utc)))
            return text
