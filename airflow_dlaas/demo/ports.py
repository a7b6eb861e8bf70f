"""Free ports of this machine, and a message about ports that are in use."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from itertools import islice

from airflow_dlaas.exceptions import HostError

LOOPBACK = "127.0.0.1"

PORT_RANGE = range(20_000, 32_768)
"""Ports that Linux assigns to no outgoing connection, so that no client takes a free one meanwhile."""


def find_free_ports(count: int = 1) -> list[int]:
    """
    Return *count* different ports on which no server listens at this moment.

    The ports are drawn at random, so that processes that search at the same time find different ones.

    :raises HostError: fewer than *count* ports are free.
    """
    drawn = random.SystemRandom().sample(PORT_RANGE, len(PORT_RANGE))
    found = list(islice((port for port in drawn if not is_port_taken(port)), count))
    if len(found) < count:
        raise HostError(f"fewer than {count} ports from {PORT_RANGE.start} to {PORT_RANGE.stop - 1} are free")
    return found


def is_port_taken(port: int) -> bool:
    """Return whether another process uses *port*, so that a server cannot listen on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection in TIME_WAIT does not block a server
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def require_free_ports(ports_by_option: Mapping[str, int]) -> None:
    """
    Require that each port of *ports_by_option* is free, and that no two options have the same port.

    Checked before any process starts, so that an error leaves nothing to clean up.

    :raises HostError: naming each port with the option that changes it.
    """
    problems = [
        f"port {port} is already in use: stop what listens there, or choose another one with {option}"
        for option, port in ports_by_option.items()
        if is_port_taken(port)
    ]
    duplicates = {port for port in ports_by_option.values() if list(ports_by_option.values()).count(port) > 1}
    problems += [
        f"port {port} is given for {' and '.join(o for o, p in ports_by_option.items() if p == port)}"
        for port in duplicates
    ]
    if problems:
        raise HostError("; ".join(problems).capitalize())
