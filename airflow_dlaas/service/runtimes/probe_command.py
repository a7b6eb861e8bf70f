"""Runs a program that shows by its end whether something works here."""

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
    Run *command*, and return why it failed: the last line that it printed to stderr, or its exit code. None if it ended
    with 0.

    :param timeout: seconds after which it is killed, and has failed.
    :param environment: all that it gets of variables; without it, those of this process.
    :param include_stdout: whether the reason may be the last line of stdout as well.
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
