"""Tokens and logins."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from threading import Event
from time import monotonic

import jwt
import pytest

from airflow_dlaas.exceptions import NotConfigured, Unauthenticated
from airflow_dlaas.service.api.authentication import ALGORITHM, AUDIENCE, ISSUER, TokenAuthenticator
from airflow_dlaas.service.api.login_throttle import LOCKOUT_TIME, MAX_ADDRESS_FAILURES, MAX_LOGIN_FAILURES
from airflow_dlaas.service.api.tokens import MAX_CONCURRENT_LOGINS
from tests.unit.service.api.conftest import PASSWORDS, FakeUsers


def basic(login: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{login}:{password}'.encode()).decode()}"}


@pytest.mark.parametrize("path", ["/v3/identity/token", "/v2/identity/token"])
def test_login_returns_a_token_with_its_expiry(service, path: str) -> None:
    token = service.client.get(path, headers=basic("dlaas", "geheim-1")).json()["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] == (service.clock() + timedelta(hours=12)).timestamp()
    assert service.client.get("/v3/models", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "BEARER", "bearer", "bEaReR"])
def test_authorization_scheme_may_be_in_any_case(service, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {service.log_in()}", "X-WML-User-Client": "WML-User"}
    assert service.client.get("/v3/models", headers=headers).status_code == 200


def test_valid_token_can_be_renewed(service) -> None:
    old = service.log_in()
    service.clock.advance(hours=11)
    new = service.client.put("/v3/identity/token", json={"token": old}).json()["token"]
    service.clock.advance(hours=2)
    assert service.client.get("/v3/models", headers={"Authorization": f"Bearer {new}"}).status_code == 200
    refused = service.client.put("/v3/identity/token", json={"token": old})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (401, "expired_authorization_token")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 1}', b'{"tokn": "x"}', b"{"])
def test_renewal_without_a_token_is_a_bad_request(service, body: bytes) -> None:
    assert service.client.put("/v3/identity/token", content=body).status_code == 400


SEAL = jwt.decode(
    TokenAuthenticator(FakeUsers(PASSWORDS), b"k" * 32, clock=lambda: datetime.now(timezone.utc)).log_in(
        basic("dlaas", PASSWORDS["dlaas"])["Authorization"], "127.0.0.1"
    ),
    options={"verify_signature": False},
)["pwd"]
"""The claims of a token of this user and password."""


def signed(key: bytes = b"k" * 32, algorithm: str = ALGORITHM, **claims: object) -> str:
    usual = {"sub": "dlaas", "iss": ISSUER, "aud": AUDIENCE, "exp": 4_000_000_000, "pwd": SEAL}
    return jwt.encode({name: value for name, value in {**usual, **claims}.items() if value}, key, algorithm=algorithm)


NONE = ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b'{"alg":"none"}', b'{"sub":"dlaas"}', b""))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missing_authorization_token"),
        ("  ", "missing_authorization_token"),
        ("Bearer", "invalid_authorization_token"),
        ("Bearer x.y.z", "invalid_authorization_token"),
        ("Basic ZGxhYXM6eA==", "invalid_authorization_token"),
        (f"Bearer {signed(b'another key, as long as needed ...')}", "invalid_authorization_token"),
        (f"Bearer {signed(b'k' * 64, 'HS512')}", "invalid_authorization_token"),
        (f"Bearer {NONE}", "invalid_authorization_token"),
        (f"Bearer {signed(aud='elsewhere')}", "invalid_authorization_token"),
        (f"Bearer {signed(iss='elsewhere')}", "invalid_authorization_token"),
        (f"Bearer {signed(exp=None)}", "invalid_authorization_token"),
        (f"Bearer {signed(sub='removed')}", "invalid_authorization_token"),
        (f"Bearer {signed(pwd=None)}", "invalid_authorization_token"),
        (f"Bearer {signed(pwd='00' * 12)}", "invalid_authorization_token"),
        (f"Bearer {signed(exp=1)}", "expired_authorization_token"),
    ],
)
def test_missing_invalid_and_expired_tokens_have_different_codes(service, header: str | None, code: str) -> None:
    del service.client.headers["Authorization"]
    reply = service.client.get("/v3/models", headers={"Authorization": header} if header else {})
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="airflow-dlaas"'
    (error,) = reply.json()["errors"]
    assert (error["code"], error["target"]) == (code, {"type": "header", "name": "Authorization"})


@pytest.mark.parametrize(
    "header",
    [None, "Basic", "Basic %%%", "Basic /w==", "Basic bm9jb2xvbg==", basic("dlaas", "wrong")["Authorization"],
     basic("unknown", "geheim-1")["Authorization"], basic("unknown", "")["Authorization"]],
)  # fmt: skip
def test_wrong_credentials_are_refused(service, header: str | None) -> None:
    del service.client.headers["Authorization"]
    reply = service.client.get("/v3/identity/token", headers={"Authorization": header} if header else {})
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == 'Basic realm="airflow-dlaas"'


def test_password_guessing_is_throttled_for_its_login_only(service) -> None:
    for _ in range(MAX_LOGIN_FAILURES):
        assert service.client.get("/v3/identity/token", headers=basic("dlaas", "wrong")).status_code == 401
    refused = service.client.get("/v3/identity/token", headers=basic("dlaas", "geheim-1"))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (429, "rate_limit_exceeded")
    assert int(refused.headers["Retry-After"]) == LOCKOUT_TIME.total_seconds()
    assert service.client.get("/v3/identity/token", headers=basic("other", "geheim-2")).status_code == 200
    service.clock.advance(seconds=LOCKOUT_TIME.total_seconds() + 1)
    assert service.client.get("/v3/identity/token", headers=basic("dlaas", "geheim-1")).status_code == 200


def test_trying_many_logins_is_throttled_for_the_address(service) -> None:
    for number in range(MAX_ADDRESS_FAILURES):
        assert service.client.get("/v3/identity/token", headers=basic(f"user{number}", "summer")).status_code == 401
    refused = service.client.get("/v3/identity/token", headers=basic("other", "geheim-2"))
    assert refused.status_code == 429
    service.clock.advance(seconds=int(refused.headers["Retry-After"]))
    assert service.client.get("/v3/identity/token", headers=basic("other", "geheim-2")).status_code == 200


def test_correctly_signed_token_is_accepted(service) -> None:
    """Otherwise the forged tokens above could be refused for another reason."""
    assert service.client.get("/v3/models", headers={"Authorization": f"Bearer {signed()}"}).status_code == 200


def test_token_with_a_changed_character_is_refused(service) -> None:
    token = service.log_in()
    for at in range(0, len(token) - 1, 7):  # not the last character: some of its bits are padding
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        reply = service.client.get("/v3/models", headers={"Authorization": f"Bearer {changed}"})
        assert reply.status_code == 401, at


def test_token_is_invalid_after_its_user_or_password_changed(service) -> None:
    users = FakeUsers({"ada": "first"})
    authenticator = TokenAuthenticator(users, b"k" * 32, clock=service.clock)
    token = authenticator.log_in(basic("ada", "first")["Authorization"], "127.0.0.1")
    assert authenticator.authenticate(f"Bearer {token}") == "ada"
    for changed in ({"ada": "second"}, {}):
        users.passwords = changed
        with pytest.raises(Unauthenticated, match="has been removed or has another password"):
            authenticator.authenticate(f"Bearer {token}")
        with pytest.raises(Unauthenticated, match="has been removed or has another password"):
            authenticator.refresh(token)


def test_token_contains_neither_the_password_nor_a_plain_digest_of_it(service) -> None:
    claims = jwt.decode(service.log_in(), options={"verify_signature": False})
    assert set(claims) == {"sub", "iss", "aud", "iat", "exp", "jti", "pwd"}
    elsewhere = TokenAuthenticator(FakeUsers(PASSWORDS), b"K" * 32, clock=service.clock)
    token = elsewhere.log_in(basic("dlaas", PASSWORDS["dlaas"])["Authorization"], "127.0.0.1")
    assert jwt.decode(token, options={"verify_signature": False})["pwd"] != claims["pwd"]


def test_token_lifetime_is_configurable(service) -> None:
    authenticator = TokenAuthenticator(
        FakeUsers({"ada": "x"}), b"k" * 32, clock=service.clock, lifetime=timedelta(minutes=5)
    )
    token = authenticator.log_in(basic("ada", "x")["Authorization"], "127.0.0.1")
    service.clock.advance(seconds=299)
    assert authenticator.authenticate(f"Bearer {token}") == "ada"
    service.clock.advance(seconds=1)
    with pytest.raises(Unauthenticated, match="expired"):
        authenticator.authenticate(f"Bearer {token}")


def test_concurrent_logins_do_not_block_other_requests(service) -> None:
    """Checks of passwords are slow. Other requests are answered meanwhile."""
    gate, checked_logins = Event(), []

    class SlowUsers(FakeUsers):
        def check_password(self, login: str, password: str) -> bool:
            checked_logins.append(login)
            return gate.wait(60) and super().check_password(login, password)

    token = service.log_in()
    authenticator = TokenAuthenticator(SlowUsers(PASSWORDS), b"k" * 32, clock=service.clock)
    service.client.app.state.deps = replace(service.deps, authenticator=authenticator)
    with ThreadPoolExecutor(60) as pool:
        logins = [
            pool.submit(service.client.get, "/v3/identity/token", headers=basic("dlaas", "geheim-1"))
            for _ in range(60)  # more than the API has threads
        ]
        try:
            limiter, deadline = service.client.app.state.login_limiter, monotonic() + 30
            while (
                limiter.statistics().tasks_waiting < 60 - MAX_CONCURRENT_LOGINS
                or len(checked_logins) < MAX_CONCURRENT_LOGINS
            ):
                assert monotonic() < deadline
                reply = service.client.get("/v3/models", headers={"Authorization": f"Bearer {token}"})
                assert reply.status_code == 200
            assert len(checked_logins) == MAX_CONCURRENT_LOGINS
        finally:
            gate.set()
        assert {one.result().status_code for one in logins} == {200}


def test_short_signing_key_is_refused(service) -> None:
    with pytest.raises(NotConfigured, match="32 bytes"):
        TokenAuthenticator(FakeUsers({}), b"short", clock=service.clock)


def test_repr_contains_no_password_and_no_key(service) -> None:
    assert "geheim" not in repr(service.deps)
    assert "kkkk" not in repr(service.deps)
