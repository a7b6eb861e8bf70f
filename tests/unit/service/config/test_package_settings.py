"""The settings of packages: what reaches a job's specification, and what does not."""

from __future__ import annotations

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.config.read_settings import read_settings
from airflow_dlaas.service.runners.local import learner_environment

ENVIRONMENT = {
    "DLAAS_PACKAGE_INDEX": "https://pypi.example.org/simple/",
    "DLAAS_PACKAGE_EXTRA_INDEXES": "https://a.example.org, https://b.example.org",
    "DLAAS_PACKAGE_INDEX_USER": "builder",
    "DLAAS_PACKAGE_INDEX_PASSWORD": " of-the-index ",
    "DLAAS_PACKAGES_OFFLINE": "yes",
    "DLAAS_PACKAGES_MAX_AGE": "86400",
    "DLAAS_PACKAGES_LIMIT": "5GiB",
}


def test_login_is_in_the_learner_s_environment_and_in_nothing_that_is_written() -> None:
    settings = read_settings(ENVIRONMENT)
    assert settings.packages.index == "https://pypi.example.org/simple"
    assert settings.packages.extra_indexes == ("https://a.example.org", "https://b.example.org")
    assert (settings.packages.offline, settings.packages.max_age, settings.packages.limit) == (True, 86400, 5 * 1024**3)
    assert "of-the-index" not in repr(settings) + settings.packages.model_dump_json()
    assert learner_environment(settings.package_login | {"DLAAS_PASSWORD": "x"}) == {
        "DLAAS_PACKAGE_INDEX_USER": "builder",
        "DLAAS_PACKAGE_INDEX_PASSWORD": " of-the-index ",
    }


def test_index_with_a_login_in_its_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(NotConfigured, match="DLAAS_PACKAGE_INDEX takes") as caught:
        read_settings({"DLAAS_PACKAGE_INDEX": "https://me:of-the-index@pypi.example.org"})
    assert "of-the-index" not in str(caught.value)
