"""What must hold before others can reach the service."""

from __future__ import annotations

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.config.data_dir import Home
from airflow_dlaas.service.config.network_policy import insist_on_password, weakness


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("dlaas", "is the user's name"),
        ("Grace-Hopper-1906", "is the user's name"),
        ("changeme", "tried first"),
        ("ChangeMe2026!", "tried first"),
        ("password12345678", "tried first"),
        ("elevenchars", "fewer than 12"),
        ("", "fewer than 12"),
    ],
)
def test_a_weak_password_is_said_to_be_why(password, why):
    user = "grace-hopper-1906" if "Grace" in password else "dlaas"
    assert why in (weakness(user, password) or "")


def test_a_password_that_was_made_up_is_none(tmp_path):
    assert weakness("dlaas", Home(tmp_path).enrol("dlaas", None).password) is None


def test_a_weak_one_is_refused_where_others_reach_the_service_and_not_shown():
    with pytest.raises(NotConfigured, match=r"fewer than 12.*DLAAS_PASSWORD.*--insecure-listen") as caught:
        insist_on_password("10.1.2.3", "dlaas", "geheim")
    assert "geheim" not in str(caught.value)
    insist_on_password("127.0.0.1", "dlaas", "geheim")
    insist_on_password("10.1.2.3", "dlaas", "a-long-enough-one")
