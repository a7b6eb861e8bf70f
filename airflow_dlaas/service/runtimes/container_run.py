"""One command to run in a container, as a value that every engine understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.contract.resource_report import ResourceAmounts

RUN_COMMAND = """
. "$0" || exit
stopped=
trap 'stopped=1' TERM
"$@"
code=$?
while [ "$stopped" ] && [ "$PPID" = 1 ] && set -- /proc/[0-9]* && [ $# -gt 2 ]; do sleep 1; done
exit $code
"""
"""
Shell script that sets the variables of the file in ``$0``, and runs the command in its arguments.

A container ends with this shell, and all its processes with it. After SIGTERM it waits for all of them: a shell of the
command ends of SIGTERM at once, and the program that it started may be saving its state. Only this shell and the init
process, its parent, are left then.
"""


@dataclass(frozen=True, slots=True)
class ContainerRun:
    """A command to run in a container."""

    image: str
    name: str
    command: Sequence[str]
    folders: Sequence[Path]
    """Directories that the container sees at the paths that they have outside, so that the same environment variables
    are valid in both places. A link is seen as its target."""
    workdir: Path
    environment_file: Path
    """The command's variables (`airflow_dlaas.service.runtimes.container_environment`). No option of an engine has
    them: every user of the machine can read the command line of a process, and an engine stores the options."""
    gpus: Sequence[str]
    """Device indices or UUIDs; if empty, no device is visible."""
    user: tuple[int, int]
    """User id and group id of the command; used with docker only."""
    read_only: Sequence[Path] = ()
    """Further directories and files, which the command cannot change: local data, mounted folders, and files of the
    cache of training data. A link is seen as its target."""
    limits: ResourceAmounts = field(default_factory=ResourceAmounts)
    """CPUs, memory and shared memory; an absent amount is not limited."""

    @property
    def argv(self) -> list[str]:
        """The argument list inside the container; each image has /bin/sh."""
        return ["/bin/sh", "-c", RUN_COMMAND, str(self.environment_file), *self.command]
