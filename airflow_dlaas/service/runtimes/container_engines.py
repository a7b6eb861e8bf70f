"""The command lines of container engines: one value class for each engine. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.service.runtimes.container_run import ContainerRun

OWN_VARIABLES = frozenset({"PATH"})
"""Variables that a container keeps as its image has them."""


SIGNAL_ALL_PROCESSES = "TINI_KILL_PROCESS_GROUP=1"
"""A variable for docker's init process: it passes SIGTERM on to the command's process group, and not to the first
process only. With other engines, the processes are descendants of the learner, which signals them itself."""


class ContainerEngine(Protocol):
    """A program that runs containers."""

    name: ClassVar[str]
    check_command: ClassVar[str]
    """A command of the program that fails if no container can be started."""
    excluded_variables: ClassVar[Collection[str]]
    """Variables of the command that are not set in the container."""

    @property
    def path(self) -> str:
        """The path of the program."""

    limits_resources: ClassVar[bool]
    """Whether the engine enforces `ContainerRun.limits`."""

    def run_command(self, run: ContainerRun) -> list[str]:
        """Return the argument list that runs *run* in the foreground. It has no variable of the command."""

    def removal_command(self, name: str) -> list[str] | None:
        """
        Return the argument list that removes the container *name*, running or not.

        None if a container ends with the processes that the program started.
        """


@dataclass(frozen=True, slots=True)
class Podman:
    """
    Podman. Without a daemon: its check reads storage and user namespaces.

    https://docs.podman.io/en/latest/markdown/podman-run.1.html
    """

    path: str
    name: ClassVar[str] = "podman"
    check_command: ClassVar[str] = "info"
    # The container sees no other devices than `gpus`, and counts them from 0.
    excluded_variables: ClassVar[Collection[str]] = OWN_VARIABLES | {"CUDA_VISIBLE_DEVICES"}
    limits_resources: ClassVar[bool] = True

    def run_command(self, run: ContainerRun) -> list[str]:
        """See `ContainerEngine.run_command`."""
        gpus = [f"--device=nvidia.com/gpu={one}" for one in run.gpus]
        return [self.path, *_run_options(run), *gpus, *_volumes(run), "--entrypoint=", run.image, *run.argv]

    def removal_command(self, name: str) -> list[str] | None:
        """See `ContainerEngine.removal_command`."""
        return _removal(self.path, name)


@dataclass(frozen=True, slots=True)
class Docker:
    """
    Docker. Its check calls the daemon; containers outlive the client.

    https://docs.docker.com/reference/cli/docker/container/run/
    """

    path: str
    name: ClassVar[str] = "docker"
    check_command: ClassVar[str] = "version"
    excluded_variables: ClassVar[Collection[str]] = Podman.excluded_variables
    limits_resources: ClassVar[bool] = True

    def run_command(self, run: ContainerRun) -> list[str]:
        """See `ContainerEngine.run_command`."""
        # docker splits the value at commas unless it is quoted.
        gpus = [f'--gpus="device={",".join(run.gpus)}"'] if run.gpus else []
        options = [*_run_options(run), f"--user={run.user[0]}:{run.user[1]}", f"--env={SIGNAL_ALL_PROCESSES}", *gpus]
        return [self.path, *options, *_volumes(run), "--entrypoint=", run.image, *run.argv]

    def removal_command(self, name: str) -> list[str] | None:
        """See `ContainerEngine.removal_command`."""
        return _removal(self.path, name)


@dataclass(frozen=True, slots=True)
class Apptainer:
    """
    Apptainer. It has no daemon, and no command that checks whether it can start containers.

    The container is a process of the learner and ends with it. With GPUs, ``--nv`` shows all of the machine:
    CUDA_VISIBLE_DEVICES selects those of the training, as without a container.
    https://apptainer.org/docs/user/latest/cli/apptainer_exec.html
    """

    path: str
    name: ClassVar[str] = "apptainer"
    check_command: ClassVar[str] = "version"
    excluded_variables: ClassVar[Collection[str]] = OWN_VARIABLES
    # The learner limits its processes, as those of a command without a container.
    limits_resources: ClassVar[bool] = False

    def run_command(self, run: ContainerRun) -> list[str]:
        """See `ContainerEngine.run_command`."""
        line = [self.path, "exec", "--containall", *(["--nv"] if run.gpus else []), f"--pwd={run.workdir}"]
        line += [f"--bind={mount}" for mount in _mounts(run)]
        return [*line, _apptainer_source(run.image), *run.argv]

    def removal_command(self, name: str) -> list[str] | None:  # noqa: ARG002 - of the interface
        """See `ContainerEngine.removal_command`."""
        return None


ENGINES: tuple[type[Podman | Docker | Apptainer], ...] = (Podman, Docker, Apptainer)
"""The engines, in the order in which they are tried."""


def engine_at(path: str) -> ContainerEngine:
    """Return the engine whose program is at *path*, by its name."""
    return next(engine(path) for engine in ENGINES if engine.name == Path(path).name)


def limit_arguments(limits: ResourceAmounts) -> list[str]:
    """Return the options of *limits* for podman and docker. Swap is not used beyond the memory."""
    arguments = [f"--cpus={limits.cpus:g}"] if limits.cpus is not None else []
    if limits.memory is not None:
        arguments += [f"--memory={limits.memory}", f"--memory-swap={limits.memory}"]
    return arguments + ([f"--shm-size={limits.shared_memory}"] if limits.shared_memory is not None else [])


def _run_options(run: ContainerRun) -> list[str]:
    fixed = ["run", "--rm", f"--name={run.name}", "--init", f"--workdir={run.workdir}"]
    return [*fixed, *limit_arguments(run.limits)]


def _volumes(run: ContainerRun) -> list[str]:
    return [f"--volume={mount}" for mount in _mounts(run)]


def _mounts(run: ContainerRun) -> list[str]:
    """Return what the container sees, as SOURCE:DESTINATION[:ro]."""
    return [
        *(f"{folder.resolve() if folder.is_symlink() else folder}:{folder}" for folder in run.folders),
        *(f"{path.resolve()}:{path}:ro" for path in (run.environment_file, *run.read_only)),
    ]


def _removal(path: str, name: str) -> list[str]:
    return [path, "rm", "--force", name]


def _apptainer_source(image: str) -> str:
    """Return where apptainer finds *image*: a reference is in a registry, a path or URL of the site is as it is."""
    return image if image.startswith("/") or "://" in image else f"docker://{image}"
