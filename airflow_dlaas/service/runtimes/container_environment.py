"""
The file with the variables of a command in a container: a shell script that the container reads.

A script and no list for an engine's ``--env-file``: the value of a variable may have several lines, and engines read
such lists in different ways. It is private to the user of the service, and is removed when the command has ended.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Mapping
from pathlib import Path

from airflow_dlaas.exceptions import HostError

_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def environment_script(environment: Mapping[str, str], *, without: Collection[str] = ()) -> str:
    """
    Return a script for ``/bin/sh`` that exports *environment*.

    ``command`` and the redirection are for variables that a shell owns, such as UID in bash: assigning one would end
    the shell. Such a variable keeps the shell's value.

    :param without: variables that are left as the image has them.
    :raises HostError: a name is none that a shell can export.
    """
    lines = []
    for name, value in sorted(environment.items()):
        if name in without:
            continue
        if not _SHELL_NAME.fullmatch(name):
            raise HostError(
                f"The variable {name!r} cannot be set in a container: letters, digits and _ only, no digit first"
            )
        lines.append(f"command export {name}={shlex.quote(value)} 2>/dev/null\n")
    return "".join(lines) + ":\n"


def write_environment_file(path: Path, script: str) -> None:
    """
    Write *script* to *path*, which only this user can read; what is there already is replaced.

    :raises OSError: it cannot be written.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(script)
