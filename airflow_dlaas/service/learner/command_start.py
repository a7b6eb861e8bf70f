"""How the process of a command is started: its arguments, its environment, its sandbox, its control group."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.learner.sandbox_environment import sandbox_with_environment


@dataclass(frozen=True, slots=True)
class CommandStart:
    """The process to start."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    workdir: Path
    in_sandbox: bool = False
    """Whether *argv* starts bwrap. That process only waits for the command and ends with its exit code; it gets no
    SIGTERM."""
    in_container: bool = False
    """Whether *argv* starts the client of a container engine. It passes SIGTERM on to its container."""
    enter: Callable[[Sequence[str]], Sequence[str]] = list
    """Returns the argument list that enters a control group, and then becomes the given one."""

    def start(self, output: int) -> subprocess.Popen[bytes]:
        """
        Start the process in a session of its own, with the file descriptor *output* as its stdout and stderr.

        :raises HostError: it could not be started.
        """
        try:
            with self._arguments() as (line, variables, inherited):
                return subprocess.Popen(
                    self.enter(line),
                    env=variables,
                    cwd=self.workdir,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=inherited,
                )
        except OSError as error:
            raise HostError(f"The command's shell could not be started: {error}") from error

    @contextmanager
    def _arguments(self) -> Iterator[tuple[Sequence[str], dict[str, str], tuple[int, ...]]]:
        """Yield argument list, environment and inherited file descriptors; valid within the block."""
        if not self.in_sandbox:
            yield self.argv, dict(self.environment), ()
            return
        with sandbox_with_environment(self.argv, self.environment) as (line, descriptor):
            yield line, {}, (descriptor,)
