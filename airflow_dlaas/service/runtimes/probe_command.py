"""Runs a program whose exit code shows whether something works on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence


def command_failure(
    command: Sequence[str],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    include_stdout: bool = False,
) -> str | None:
    """
    Run *command* and return why it failed: the last line of its stderr, or its exit code. None: it exited with 0.

    :param timeout: seconds after which the command is killed and counts as failed.
    :param environment: the environment variables of the command; None: those of this process.
    :param include_stdout: whether the reason may also be the last line of stdout.
    """
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if include_stdout else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if include_stdout else subprocess.PIPE,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {timeout:g} seconds"
    except OSError as error:
        return f"it cannot be started: {error.strerror}"
    if done.returncode == 0:
        return None
    printed = done.stdout if include_stdout else done.stderr
    lines = printed.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
