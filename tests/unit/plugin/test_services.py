from __future__ import annotations

import json

import pytest

from airflow_dlaas.exceptions import DlaasError, NotConfigured
from airflow_dlaas.hooks.connections import ServiceConnection
from airflow_dlaas.plugin.clients_by_connection import MAX_CLIENTS
from airflow_dlaas.plugin.services import ServiceClients, read_airflow_connection


def test_read_airflow_connection_refuses_another_connection_type(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "postgres", "host": "db", "login": "u", "password": "geheim"}
    monkeypatch.setenv("AIRFLOW_CONN_DATABASE", json.dumps(fields))
    with pytest.raises(NotConfigured, match="of type 'postgres', but must be of type 'dlaas'") as refused:
        read_airflow_connection("database")
    assert "geheim" not in str(refused.value)


def test_read_airflow_connection_reports_a_missing_connection() -> None:
    with pytest.raises(NotConfigured, match="Connection 'missing' does not exist"):
        read_airflow_connection("missing")


def test_errors_of_service_clients_do_not_contain_the_service_s_address(caplog: pytest.LogCaptureFixture) -> None:
    clients = ServiceClients(lambda _: ServiceConnection("http://127.0.0.1:9/under", "ann", "geheim"))
    with pytest.raises(DlaasError, match="'c'") as unreachable:
        clients.list_trainings("c")
    assert not any(word in str(unreachable.value) for word in ("127.0.0.1", "under", "geheim"))
    assert "geheim" not in caplog.text


def test_service_clients_warn_once_in_a_while_about_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    clients = ServiceClients(lambda _: ServiceConnection("http://127.0.0.1:9", "ann", "geheim"), clock=lambda: now[0])
    levels = []
    for now[0] in (0.0, 2.0, 61.0):
        caplog.clear()
        with caplog.at_level("DEBUG", "airflow_dlaas.plugin.services"), pytest.raises(DlaasError):
            clients.list_trainings("c")
        levels += [one.levelname for one in caplog.records if one.name == "airflow_dlaas.plugin.services"]
    assert levels == ["WARNING", "DEBUG", "WARNING"]


def test_service_clients_read_a_connection_again_after_its_ttl() -> None:
    now, read = [0.0], []

    def read_connection(conn_id: str) -> ServiceConnection:
        read.append(conn_id)
        return ServiceConnection("http://127.0.0.1:9", "ann", "geheim")

    clients = ServiceClients(read_connection, clock=lambda: now[0])
    first = clients.get_client("c")
    now[0] = 29.0
    assert clients.get_client("c") is first
    assert read == ["c"]
    now[0] = 31.0
    assert clients.get_client("c") is first  # the settings did not change
    assert read == ["c", "c"]


def test_service_clients_close_the_client_that_was_not_used_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = ServiceClients(lambda conn_id: ServiceConnection("http://127.0.0.1:9", conn_id, "geheim"))
    closed: list[object] = []
    made = {str(number): clients.get_client(str(number)) for number in range(MAX_CLIENTS)}
    for client in made.values():
        monkeypatch.setattr(client, "close", lambda client=client: closed.append(client))
    clients.get_client("0")
    clients.get_client("one more")
    assert closed == [made["1"]]
