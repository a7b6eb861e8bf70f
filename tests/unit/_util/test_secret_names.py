from __future__ import annotations

import pytest

from airflow_dlaas._util.secret_names import is_secret_name

NAMES = (
    # parameters in Airflow's UI
    "passw",
    "passwd",
    "password",
    "secret",
    "token",
    "credential",
    "credentials",
    "apikey",
    "api_key",
    "api-key",
    "api.key",
    "api key",
    "accesskey",
    "access_key",
    "access-key",
    "privatekey",
    "private_key",
    "private-key",
    # keys of a training_data_reference
    "access_key_id",
    "secret_access_key",
    "access_token",
    "user_password",
    "ibm_api_key_id",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spell", [str, str.upper, str.title, "{}_2".format, "--my-{}".format, "my{}file".format])
def test_name_of_a_secret_is_recognized_in_any_spelling(name, spell):
    assert is_secret_name(spell(name))


@pytest.mark.parametrize("name", ["apiKey", "accessKeyId", "AWS_SECRET_ACCESS_KEY", "clientSecret", "X-Auth-Token"])
def test_name_of_a_secret_is_recognized_as_libraries_spell_it(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["", "epochs", "learning_rate", "key", "keyword", "pass", "user", "bucket", "api__key"]
)
def test_name_of_another_value_is_no_secret(name):
    assert not is_secret_name(name)
