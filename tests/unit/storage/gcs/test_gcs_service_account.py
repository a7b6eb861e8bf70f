"""The key of a service account."""

from __future__ import annotations

import json

import pytest

from airflow_dlaas.exceptions import StoreRefused
from airflow_dlaas.storage.gcs.auth import AuthToken, parse_service_account


@pytest.mark.parametrize("text", ["", "secret-text", "[1]", json.dumps({"type": "authorized_user", "key": "secret"})])
def test_what_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(StoreRefused, match=r"credentials: must be the") as raised:
        parse_service_account(text)
    assert "secret" not in str(raised.value)


def test_a_token_is_in_its_header_only() -> None:
    token = AuthToken("secret")
    assert token.headers == {"Authorization": "Bearer secret"}
    assert "secret" not in repr(token)
    assert AuthToken("").headers == {}
