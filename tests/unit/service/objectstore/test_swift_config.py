from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.objectstore.swift_config import LaunchConfig, StoreFolders, proxy_config

ORDER = LaunchConfig("127.0.0.1", 8080, "dlaas:trainer", "s3cret", 7)


def sealed_with(order: LaunchConfig, suffix: str) -> str:
    parser = configparser.RawConfigParser()
    parser.read_string(proxy_config(order, StoreFolders(Path("/store")), suffix))
    return parser["filter:tempauth"]["fernet_key_1"]


def test_an_order_survives_the_pipe():
    assert LaunchConfig.from_line(ORDER.to_line()) == ORDER


def test_an_order_does_not_show_its_key():
    assert "s3cret" not in repr(ORDER)


@pytest.mark.parametrize("user", ["trainer", ":trainer", "dlaas:", "a:b:c", "a b:c", "a/b:c", ""])
def test_a_user_that_is_not_account_and_user_is_refused(user):
    with pytest.raises(NotConfigured, match="ACCOUNT:user"):
        LaunchConfig("127.0.0.1", 8080, user, "s3cret")


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "clé", "%(here)s"])
def test_a_key_that_swift_could_not_read_is_refused_and_not_shown(key):
    with pytest.raises(NotConfigured, match="key") as caught:
        LaunchConfig("127.0.0.1", 8080, "a:b", key)
    assert not key or key not in str(caught.value).replace("'%('", "")


def test_tokens_are_sealed_alike_at_each_start_and_otherwise_for_another_key_or_store():
    other = LaunchConfig("127.0.0.1", 8080, "dlaas:trainer", "other")
    assert sealed_with(ORDER, "x") == sealed_with(ORDER, "x")
    assert len({sealed_with(ORDER, "x"), sealed_with(ORDER, "y"), sealed_with(other, "x")}) == 3
