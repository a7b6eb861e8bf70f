from __future__ import annotations

import base64
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy
from airflow_dlaas.client import calls, http_transport
from airflow_dlaas.client import client as module
from airflow_dlaas.client.bearer_token import BearerToken
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.exceptions import (
    HostError,
    NotConfigured,
    NotFound,
    ProtocolError,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from tests.integration.client.conftest import Answer, Service, instance, refuse, reply, training
from tests.waiting import until

RUN = "/v3/models/training-a"
QUICK = RetryPolicy(first_pause=0.01, max_pause=0.02, jitter=1, max_retry_after=60)
DEFINITION = TrainingDefinition.parse(
    {
        "model_definition": training()["entity"]["model_definition"],
        "training_data": [
            {
                "connection": {"auth_url": "http://s/auth/v1.0", "userId": "a:u", "password": "store-key"},
                "source": {"container": "c", "type": "softlayer_objectstore"},
            }
        ],
    }
)


def test_client_logs_in_and_then_sends_its_token(service: Service, client: Client):
    service.script[RUN] = [reply(training())]
    assert client.send(calls.get_training("training-a")).id == "training-a"
    login, call = service.requests
    assert login.headers["authorization"] == "Basic " + base64.b64encode(b"dlaas:pass-word").decode()
    assert call.headers["authorization"] == "Bearer token-1"
    assert call.headers["x-wml-user-client"] == "WML-User"


def test_netrc_does_not_override_the_token(service, client, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    service.script[RUN] = [reply(training())]
    client.send(calls.get_training("training-a"))
    assert service.requests_to(RUN)[0].headers["authorization"] == "Bearer token-1"


@pytest.mark.parametrize("bad", [refuse(503, "underlying_api_error"), Answer(502, b"<html>"), Answer(hang_up=True)])
def test_transient_error_is_retried(service, client, bad):
    service.script[RUN] = [bad, bad, reply(training())]
    assert client.send(calls.get_training("training-a"), retries=QUICK).id == "training-a"


def test_each_retry_is_logged_once_with_attempt_cause_and_pause(service, client, caplog):
    service.script["/v3/models"] = [refuse(503, "underlying_api_error"), Answer(502), reply({"resources": []})]
    client.send(calls.list_trainings(5), retries=QUICK)
    retries = [one for one in caplog.records if "retrying" in one.getMessage()]
    assert [one.levelname for one in retries] == ["WARNING"] * 2
    url = f"GET {service.url}/v3/models failed "
    assert retries[0].getMessage() == f"{url}(no (underlying_api_error)); retrying in 0.0 s (attempt 2 of 5)"
    assert retries[1].getMessage().startswith(f"{url}(The service responded with status 502")
    assert retries[1].getMessage().endswith("(attempt 3 of 5)")


def test_slow_response_is_a_timeout(service):
    held = threading.Event()
    service.script[RUN] = [Answer(held=held)]
    with client_with_short_timeout(service) as client, pytest.raises(Unreachable, match=r"0\.1 s") as caught:
        client.send(calls.get_training("training-a"), retries=NO_RETRY)
    held.set()
    assert caught.value.__cause__ is not None


def test_long_poll_has_a_longer_timeout(service):
    service.script["/v3/models"] = [Answer(200, b'{"resources": [], "cursor": "1"}', delay=0.3)]
    with client_with_short_timeout(service) as client:
        assert client.send(calls.list_changes("", 60), retries=NO_RETRY).cursor == "1"


def client_with_short_timeout(service) -> Client:
    """Return a client with a timeout of 0.1 s that is logged in: a login may take longer on a busy machine."""
    client = Client(service.url, "u", "p", timeout=(30, 0.1))
    client._token = BearerToken("token", None)
    return client


def test_expired_token_is_renewed(service, client):
    service.script["/v3/models"] = [refuse(401, "expired_authorization_token"), reply(training(), 202)]
    client.send(calls.create_training(DEFINITION))
    assert [one.headers["authorization"] for one in service.requests_to("/v3/models")] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_create_training_is_retried_only_with_a_key(service, client):
    bad = refuse(503, "underlying_api_error")
    service.script["/v3/models"] = [bad, bad, reply(training(), 202)]
    with pytest.raises(Unavailable):
        client.send(calls.create_training(DEFINITION), retries=QUICK)
    assert len(service.requests_to("/v3/models")) == 1
    client.send(calls.create_training(DEFINITION, idempotency_key="k"), retries=QUICK)
    assert [one.headers.get("idempotency-key") for one in service.requests_to("/v3/models")] == [None, "k", "k"]


def test_all_threads_share_one_token(service, client):
    service.script[RUN] = [reply(training())]
    service.script["/v3/identity/token"] = [Answer(200, b'{"token": "t"}', delay=0.1)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: client.send(calls.get_training("training-a")), range(64)))
    assert len(service.requests_to("/v3/identity/token")) == 1


def test_refused_credentials_are_sent_once_for_all_waiting_threads(service, client):
    refusal = refuse(401, "invalid_authorization_token")
    refusal.held = threading.Event()
    service.script["/v3/identity/token"] = [refusal]
    client._lock = lock = CountingLock()
    with ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(client.send, calls.get_training("t")) for _ in range(8)]
        try:
            until(lambda: lock.came, lambda came: came == 8)
        finally:
            refusal.held.set()
    assert all(isinstance(one.exception(), Unauthenticated) for one in waits)
    assert len(service.requests_to("/v3/identity/token")) == 1


class CountingLock:
    """A lock that counts the attempts to acquire it."""

    def __init__(self) -> None:
        self.came = 0
        self.lock, self.counting = threading.Lock(), threading.Lock()

    def __enter__(self) -> None:
        with self.counting:
            self.came += 1
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def test_api_error_is_raised_with_its_class_and_trace(service, client):
    service.script[RUN] = [refuse(404, "not_found")]
    with pytest.raises(NotFound, match="no") as caught:
        client.send(calls.get_training("training-a"))
    assert caught.value.trace == "0" * 32


def test_refused_connection_is_unreachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{free.getsockname()[1]}", "u", "p")
        with client, pytest.raises(Unreachable, match="refused"):
            client.send(calls.get_training("t"), retries=NO_RETRY)


def test_redirect_is_not_followed(service, client):
    service.script[RUN] = [Answer(302, headers={"Location": f"{service.url}/elsewhere"})]
    with pytest.raises(ProtocolError, match="redirects"):
        client.send(calls.get_training("training-a"))
    assert service.requests_to("/elsewhere") == []


def test_response_that_is_too_large_is_a_protocol_error(service, client, monkeypatch):
    monkeypatch.setattr(http_transport, "MAX_RESPONSE_BYTES", 1000)
    service.script[RUN] = [Answer(200, b" " * 2000)]
    with pytest.raises(ProtocolError, match="larger"):
        client.send(calls.get_training("training-a"))


def test_file_is_uploaded_and_downloaded_completely(service, client, tmp_path):
    code = bytes(range(256)) * 3000
    (tmp_path / "up.zip").write_bytes(code)
    path = calls.content_path("e", "v")
    service.script[path] = [refuse(503, "underlying_api_error"), Answer(200), Answer(200, code)]
    client.send(calls.put_content(path, tmp_path / "up.zip"), retries=QUICK)
    assert [one.body for one in service.requests_to(path)] == [code, code]
    assert client.send(calls.get_content(path, tmp_path / "down.zip")).read_bytes() == code
    assert sorted(one.name for one in tmp_path.iterdir()) == ["down.zip", "up.zip"]


def test_empty_file_is_uploaded(service, client, tmp_path):
    (tmp_path / "empty").touch()
    service.script["/x"] = [Answer(200)]
    client.send(calls.put_content("/x", tmp_path / "empty"))
    assert service.requests_to("/x")[0].body == b""


def test_incomplete_download_keeps_the_old_file(service, client, tmp_path):
    (tmp_path / "model.zip").write_bytes(b"old")
    service.script["/x"] = [Answer(200, b"half", {"Content-Length": "8"})]
    with pytest.raises(Unreachable):
        client.send(calls.get_content("/x", tmp_path / "model.zip"), retries=NO_RETRY)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"old"]


def test_unusable_file_is_named_in_the_error(service, client, tmp_path):
    service.script["/x"] = [Answer(200, b"PK")]
    with pytest.raises(HostError, match="missing"):
        client.send(calls.put_content("/x", tmp_path / "missing"))
    with pytest.raises(HostError, match="nowhere"):
        client.send(calls.get_content("/x", tmp_path / "nowhere" / "a.zip"))


def test_extensions_are_requested_once(service, client):
    service.script["/v3/wml_instances/default"] = [reply(instance(changes=True))]
    assert client.extensions.changes
    assert not client.extensions.runtimes
    assert len(service.requests_to("/v3/wml_instances/default")) == 1


@pytest.mark.parametrize("answer", [refuse(404, "not_found"), Answer(200, b"<html>"), reply({"metadata": {}})])
def test_foreign_service_has_no_extensions(service, client, answer):
    service.script["/v3/wml_instances/default"] = [answer]
    assert not client.extensions.changes


def test_extensions_after_an_error_are_requested_again(service, client, monkeypatch):
    service.script["/v3/wml_instances/default"] = [
        Answer(503, headers={"Retry-After": "99"}),
        reply(instance(changes=True)),
    ]
    with pytest.raises(Unavailable):
        _ = client.extensions
    assert client.extensions.changes


def test_reprs_and_errors_have_no_secret(service, client):
    service.script["/v3/models"] = [Answer(500, b"pass-word store-key token-1")]
    with pytest.raises(Unavailable) as caught:
        client.send(calls.create_training(DEFINITION), retries=NO_RETRY)
    shown = repr(client) + repr(caught.value) + str(caught.value)
    assert not [secret for secret in ("pass-word", "store-key", "token-1") if secret in shown]


@pytest.mark.parametrize(("login", "password", "verify"), [("", "p", True), ("u", "", True), ("u", "p", "/no/ca.pem")])
def test_incomplete_configuration_is_refused_before_a_request(login, password, verify):
    with pytest.raises(NotConfigured):
        Client("http://host", login, password, verify=verify)


def test_path_from_url_refuses_another_host(service, client):
    assert client.path_from_url(f"{service.url}/v3/x/content") == "/v3/x/content"
    with pytest.raises(ProtocolError):
        client.path_from_url("http://evil/v3/x/content")


def test_pause_is_that_of_retry_after(service, client, tmp_path: Path):
    service.script[RUN] = [Answer(429, headers={"Retry-After": "1"}), reply(training())]
    client.send(calls.get_training("training-a"), retries=QUICK)
    assert len(service.requests_to(RUN)) == 2


def test_list_entries_without_an_id_are_left_out_and_logged_once_per_list(service, client, caplog):
    """A list may be requested every few seconds."""
    listed = reply({"resources": [{"entity": {}}, training(), {"metadata": {"guid": "", "secret": "s3cret"}}]})
    service.script["/v3/models"] = [listed]
    for call in (calls.list_trainings(5), calls.list_trainings(5), calls.list_trainings()):
        assert [one.id for one in client.send(call).resources] == ["training-a"]
    [line] = [one for one in caplog.records if one.name == module.__name__]
    assert line.levelname == "WARNING"
    assert f"{service.url}/v3/models" in line.getMessage()
    assert "2 of 3 entries" in line.getMessage()
    assert "s3cret" not in line.getMessage()
