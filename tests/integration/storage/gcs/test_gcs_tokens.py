"""Tokens of a service account."""

from __future__ import annotations

import logging
import threading

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.exceptions import StoreNotAllowed, StoreRedirected, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.gcs.store import GcsStore
from tests.integration.storage.gcs.scripted_gcs import ScriptedGcs, json_response


def opened(server: ScriptedGcs, key: str | None = None) -> GcsStore:
    connection = server.connection(credentials=key or server.service_account())
    return GcsStore.open(connection, retry_policy=NO_RETRY)


def sent_tokens(server: ScriptedGcs) -> list[str | None]:
    return [one.authorization for one in server.requests]


def test_one_token_serves_all_threads(scripted: ScriptedGcs) -> None:
    with opened(scripted) as store:
        threads = [threading.Thread(target=store.check, args=["b"]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sent_tokens(scripted) == ["Bearer token-1"] * 8


def test_a_token_is_renewed_before_it_expires(scripted: ScriptedGcs) -> None:
    scripted.token_seconds = 60  # google-auth renews a token in its last minutes
    with opened(scripted) as store:
        store.check("b")
        store.check("b")
    assert sent_tokens(scripted) == ["Bearer token-1", "Bearer token-2"]


def test_a_token_that_is_still_valid_serves_while_no_new_one_is_granted(scripted: ScriptedGcs) -> None:
    scripted.token_seconds = 60
    with opened(scripted) as store:
        store.check("b")
        scripted.token_response = (400, {}, b'{"error": "invalid_grant"}')
        store.check("b")
    assert sent_tokens(scripted) == ["Bearer token-1"] * 2


def test_a_rejected_token_is_replaced_once(scripted: ScriptedGcs) -> None:
    scripted.script = [(401, {}, b""), json_response({})]
    with opened(scripted) as store:
        store.check("b")
    assert sent_tokens(scripted) == ["Bearer token-1", "Bearer token-2"]
    scripted.script = [(401, {}, b"")] * 2
    with opened(scripted) as store, pytest.raises(StoreRefused):
        store.check("b")


def test_a_refused_key_is_an_error_without_a_secret(scripted: ScriptedGcs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scripted.token_response = (400, {}, b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}')
    key = scripted.service_account()
    with (
        opened(scripted, key) as store,
        pytest.raises(StoreRefused, match=r"training@a-project\.example\.org") as raised,
    ):
        store.check("b")
    assert "PRIVATE KEY" not in f"{raised.value}{raised.value.__cause__}{caplog.text}{store!r}"
    assert not scripted.requests


def test_a_key_that_is_damaged_is_an_error_without_a_secret(scripted: ScriptedGcs) -> None:
    key = scripted.service_account(private_key="-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n")
    with opened(scripted, key) as store, pytest.raises(StoreRefused, match="credentials") as raised:
        store.check("b")
    assert "secret" not in f"{raised.value}{raised.value.__cause__}"


def test_no_redirect_is_followed_for_a_token(scripted: ScriptedGcs) -> None:
    scripted.token_response = (307, {"Location": "http://127.0.0.2:1/token"}, b"")
    with opened(scripted) as store, pytest.raises(StoreRedirected, match="token_uri"):
        store.check("b")


def test_a_server_that_grants_nothing_now_can_be_asked_later(scripted: ScriptedGcs) -> None:
    key = scripted.service_account(token_uri="http://127.0.0.1:1/token")
    with opened(scripted, key) as store, pytest.raises(StoreUnreachable):
        store.check("b")


def test_the_url_for_tokens_must_be_allowed(scripted: ScriptedGcs) -> None:
    def refuse(url: str) -> None:
        if url != scripted.url:
            raise StoreNotAllowed(f"{url} is not allowed")

    connection = scripted.connection(credentials=scripted.service_account())
    with GcsStore.open(connection, require_allowed=refuse) as store, pytest.raises(StoreNotAllowed, match="/token"):
        store.check("b")
    assert not scripted.tokens
