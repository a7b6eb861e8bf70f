"""Ports on this machine: which are free, and a sentence for those that are not."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from itertools import islice

from airflow_dlaas.exceptions import HostError

LOOPBACK = "127.0.0.1"

PORT_RANGE = range(20_000, 32_768)
"""Ports that Linux gives to no outgoing connection: one that is free now is not taken by a client's next request."""


def find_free_ports(count: int = 1) -> list[int]:
    """
    *count* different ports on which no server listened a moment ago.

    They are drawn at random, so that processes that ask at the same time do not get the same. Raises `HostError` when
    so many are not free.
    """
    drawn = random.SystemRandom().sample(PORT_RANGE, len(PORT_RANGE))
    found = list(islice((port for port in drawn if not is_port_taken(port)), count))
    if len(found) < count:
        raise HostError(f"fewer than {count} ports from {PORT_RANGE.start} to {PORT_RANGE.stop - 1} are free")
    return found


def is_port_taken(port: int) -> bool:
    """Whether a server could not listen on *port* now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection in TIME_WAIT hinders no server
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def require_free_ports(ports_by_option: Mapping[str, int]) -> None:
    """
    Raise `HostError` unless each port of *ports_by_option*, by the option that changes it, is free and named once.

    Asked before anything is started, so that a refusal leaves nothing to clean up.
    """
    problems = [
        f"port {port} is already in use: stop what listens there, or choose another one with {option}"
        for option, port in ports_by_option.items()
        if is_port_taken(port)
    ]
    twice = {port for port in ports_by_option.values() if list(ports_by_option.values()).count(port) > 1}
    problems += [
        f"port {port} is asked for by {' and '.join(o for o, p in ports_by_option.items() if p == port)}"
        for port in twice
    ]
    if problems:
        raise HostError("; ".join(problems).capitalize())
