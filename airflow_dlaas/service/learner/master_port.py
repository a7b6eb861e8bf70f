"""The port at which the processes of one command find each other (``MASTER_PORT``)."""

from __future__ import annotations

import hashlib
import socket

FIRST_PORT, PORT_COUNT = 20_000, 10_000
"""
The ports that are tried. All are below the range from which Linux takes ports of outgoing connections (32768 and more
by default): the command's first process listens only seconds after the port was selected.
"""

LOOPBACK = "127.0.0.1"


def find_master_port(training_id: str) -> int:
    """
    Return a port that is free now, and that other trainings do not get as far as possible.

    Each training begins to search at another port. The port is not reserved: a program that listens at it before the
    command does takes it.

    :raises OSError: this machine has no free port.
    """
    first = int.from_bytes(hashlib.sha256(training_id.encode()).digest()[:8], "big")
    for number in range(PORT_COUNT):
        port = FIRST_PORT + (first + number) % PORT_COUNT
        if _is_free(port):
            return port
    with socket.create_server((LOOPBACK, 0)) as found:
        return int(found.getsockname()[1])


def _is_free(port: int) -> bool:
    # All addresses: frameworks listen at all of them.
    with socket.socket() as found:
        try:
            found.bind(("", port))
        except OSError:
            return False
    return True
