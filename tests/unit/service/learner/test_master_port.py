"""The port of the processes of one command."""

from __future__ import annotations

import socket

from airflow_dlaas.service.learner.master_port import FIRST_PORT, PORT_COUNT, find_master_port


def test_trainings_get_different_ports_below_those_of_outgoing_connections() -> None:
    ports = {find_master_port(f"training-{number:09}") for number in range(50)}
    assert len(ports) > 45
    assert all(FIRST_PORT <= one < FIRST_PORT + PORT_COUNT < 32768 for one in ports)


def test_port_that_is_in_use_is_not_selected() -> None:
    taken = find_master_port("training-abcdefghi")
    with socket.create_server(("127.0.0.1", taken)):
        assert find_master_port("training-abcdefghi") != taken
