"""Conditions for listening beyond loopback."""

from __future__ import annotations

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.config.data_dir import DataDir
from airflow_dlaas.service.config.network_policy import password_weakness, require_strong_password


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("dlaas", "is the user's name"),
        ("Grace-Hopper-1906", "is the user's name"),
        ("changeme", "most common passwords"),
        ("ChangeMe2026!", "most common passwords"),
        ("password12345678", "most common passwords"),
        ("elevenchars", "fewer than 12"),
        ("", "fewer than 12"),
    ],
)
def test_password_weakness_is_named(password, why):
    user = "grace-hopper-1906" if "Grace" in password else "dlaas"
    assert why in (password_weakness(user, password) or "")


def test_generated_password_is_not_weak(tmp_path):
    assert password_weakness("dlaas", DataDir(tmp_path).load_or_create_credentials("dlaas", None).password) is None


def test_weak_password_is_refused_beyond_loopback_without_showing_it():
    with pytest.raises(NotConfigured, match=r"fewer than 12.*DLAAS_PASSWORD.*--insecure-listen") as caught:
        require_strong_password("10.1.2.3", "dlaas", "geheim")
    assert "geheim" not in str(caught.value)
    require_strong_password("127.0.0.1", "dlaas", "geheim")
    require_strong_password("10.1.2.3", "dlaas", "a-long-enough-one")
