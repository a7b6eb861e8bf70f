"""
The environment of a command in a sandbox. bwrap itself runs without it.

A definition has variables of its own, and some of them change every program that gets them: with ``LD_PRELOAD``, bwrap
would load a library of the author before there is a sandbox. So bwrap gets an empty environment, and the variables as
arguments from a file without a name. In its argument list, each user of the machine could read secrets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


@contextmanager
def sandbox_with_environment(argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[list[str], int]]:
    """
    Yield the argument list that starts the sandbox *argv* with *environment* for its command, and the file descriptor
    that it must inherit. The descriptor is closed at the end of the block, after the start.

    :param argv: bwrap, its options, and the command.
    :raises OSError: the file cannot be made.
    """
    words = (word for name, value in environment.items() for word in ("--setenv", name, value))
    content = b"".join(os.fsencode(word) + b"\0" for word in words)
    descriptor = os.memfd_create("environment")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield [argv[0], "--args", str(descriptor), *argv[1:]], descriptor
    finally:
        os.close(descriptor)
