"""Gives a command the packages that its code requires, and an environment of its own for ``pip install``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

from airflow_dlaas.service.job_files import JobDirectory, remove_folder
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.command_env import CODE, HOME, LOGS
from airflow_dlaas.service.learner.job_result import StageError, stage_errors
from airflow_dlaas.service.packages.ensure import PackageInstaller
from airflow_dlaas.service.packages.errors import RequirementsRefused
from airflow_dlaas.service.packages.in_use import environment_in_use
from airflow_dlaas.service.packages.index_access import pip_variables
from airflow_dlaas.service.packages.requirements import RequestedPackages, requested_packages
from airflow_dlaas.service.packages.virtual_env import add_pip, chain_virtual_env, make_virtual_env, read_prefix
from airflow_dlaas.service.runtimes.provision import RuntimePaths
from airflow_dlaas.service.runtimes.uv import environment_name

OWN_ENVIRONMENT = ".packages"
"""The training's own environment, in the command's HOME."""

LOCK_NAME = "requirements.lock"

KINDS_WITH_PACKAGES = ("uv", "venv")
"""Kinds of runtimes that are an environment of Python."""


@contextmanager
def refused_requirements() -> Iterator[None]:
    """Convert the error of requirements that cannot be had to the author's C202, and other errors to S304."""
    with stage_errors("S304"):
        try:
            yield
        except RequirementsRefused as error:
            raise StageError("C202", str(error)) from error


@dataclass(frozen=True, slots=True)
class PackagePreparation:
    """The packages of one job."""

    job: JobDirectory
    spec: JobSpec
    on_progress: Callable[[str], None]
    on_prepare: Callable[[], object]
    """Called before something is resolved or installed; not if everything exists."""
    sandboxed: bool
    """Whether the command runs in a sandbox. Without one, a package may be built from source: its code has the rights
    of the command then."""

    def prepare(self, provision: RuntimePaths, held: ExitStack) -> RuntimePaths:
        """
        Provide the packages of the unpacked code; they stay on disk until *held* is closed.

        Return *provision* with the folders of the packages. Code that requires nothing costs a look at two files.

        :raises StageError: C202 or S304.
        """
        with refused_requirements():
            requested = requested_packages(self.job.subdirectory(CODE))
            if requested is not None:
                provision = self._install(requested, provision, held)
            return self._with_own_environment(provision)

    def _install(self, requested: RequestedPackages, provision: RuntimePaths, held: ExitStack) -> RuntimePaths:
        runtime = self.spec.runtime
        if runtime.kind not in KINDS_WITH_PACKAGES:
            raise RequirementsRefused(
                f"The code has a {requested.origin}, and {runtime.provides} is a runtime of kind {runtime.kind}, which "
                "has its own packages: put them into the image or the installation, and leave "
                f"{requested.origin} out (exclude, or .dlaasignore)"
            )
        installer = PackageInstaller(
            self.spec.environments,
            self.spec.packages,
            self.on_progress,
            self.on_prepare,
            allow_build=not self.sandboxed,
        )
        installed = held.enter_context(installer.install(requested, provision.path[0]))
        self._write_lock(installed.lock)
        if installed.bin_folder is None:
            return provision
        return replace(provision, path=(installed.bin_folder, *provision.path))

    def _with_own_environment(self, provision: RuntimePaths) -> RuntimePaths:
        """Return *provision* with the environment into which ``pip install`` in the command writes."""
        if self.spec.runtime.kind not in KINDS_WITH_PACKAGES or not provision.path:
            return provision
        folder = self.job.subdirectory(HOME) / OWN_ENVIRONMENT
        remove_folder(folder)  # of a learner that was killed before its claim
        below = read_prefix(provision.path[0])
        make_virtual_env(folder, below)
        chain_virtual_env(folder, below, *add_pip(folder, [read_prefix(one) for one in provision.path]))
        return replace(
            provision,
            path=(folder / "bin", *provision.path),
            variables={**pip_variables(self.spec.packages), **provision.variables, "VIRTUAL_ENV": str(folder)},
        )

    def _write_lock(self, lock: str) -> None:
        """Write the lock beside the job's files, and into its logs, which are stored."""
        path = self.job.path / LOCK_NAME
        path.write_text(lock or "# The runtime has all packages that are required.\n", encoding="utf-8")
        shutil.copyfile(path, self.job.subdirectory(LOGS) / LOCK_NAME)


def hold_runtime(spec: JobSpec, held: ExitStack) -> None:
    """Keep the environment of a runtime that uv makes from being removed until *held* is closed, where possible."""
    if spec.runtime.kind == "uv":
        with suppress(OSError):  # a full disk, or one without locks, does not end a training
            spec.environments.mkdir(parents=True, exist_ok=True)
            held.enter_context(environment_in_use(spec.environments / environment_name(spec.runtime)))
