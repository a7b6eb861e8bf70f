from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.objectstore.swift_config import LaunchConfig, StoreFolders, proxy_config

LAUNCH_CONFIG = LaunchConfig("127.0.0.1", 8080, "dlaas:trainer", "s3cret", 7)


def fernet_key(launch_config: LaunchConfig, suffix: str) -> str:
    parser = configparser.RawConfigParser()
    parser.read_string(proxy_config(launch_config, StoreFolders(Path("/store")), suffix))
    return parser["filter:tempauth"]["fernet_key_1"]


def test_launch_config_survives_serialization():
    assert LaunchConfig.from_line(LAUNCH_CONFIG.to_line()) == LAUNCH_CONFIG


def test_repr_of_launch_config_does_not_contain_the_key():
    assert "s3cret" not in repr(LAUNCH_CONFIG)


@pytest.mark.parametrize("user", ["trainer", ":trainer", "dlaas:", "a:b:c", "a b:c", "a/b:c", ""])
def test_user_that_is_not_account_and_user_is_refused(user):
    with pytest.raises(NotConfigured, match="ACCOUNT:user"):
        LaunchConfig("127.0.0.1", 8080, user, "s3cret")


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "clé", "%(here)s"])
def test_key_that_swift_could_not_read_is_refused_and_not_repeated(key):
    with pytest.raises(NotConfigured, match="key") as caught:
        LaunchConfig("127.0.0.1", 8080, "a:b", key)
    assert not key or key not in str(caught.value).replace("'%('", "")


def test_encryption_key_of_tokens_depends_on_key_and_store_only():
    other = LaunchConfig("127.0.0.1", 8080, "dlaas:trainer", "other")
    assert fernet_key(LAUNCH_CONFIG, "x") == fernet_key(LAUNCH_CONFIG, "x")
    assert len({fernet_key(LAUNCH_CONFIG, "x"), fernet_key(LAUNCH_CONFIG, "y"), fernet_key(other, "x")}) == 3


def test_s3_requests_are_recognized_before_tempauth_checks_their_signature():
    parser = configparser.RawConfigParser()
    parser.read_string(proxy_config(LAUNCH_CONFIG, StoreFolders(Path("/store")), "x"))
    pipeline = parser["pipeline:main"]["pipeline"].split()
    assert pipeline.index("s3api") == pipeline.index("tempauth") - 1
    assert pipeline.index("slo") > pipeline.index("s3api")
