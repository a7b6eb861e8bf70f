"""What an operator of the service can choose."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from airflow_dlaas.errors import NotConfigured
from airflow_dlaas.service.settings import Settings, read_client, read_settings


def test_nothing_said_is_a_service_on_loopback():
    settings = read_settings({"PATH": "/bin"})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.objectstore_port) == ("127.0.0.1", 8480, 8481)


def test_an_option_wins_over_its_variable():
    assert read_settings({"DLAAS_PORT": "9000"}, {"port": "9001", "host": None}).port == 9001


def test_an_empty_variable_is_none():
    assert read_settings({"DLAAS_PORT": ""}).port == 8480


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("DLAAS_HOME", "~/x", Path("~/x").expanduser()),
        ("DLAAS_ALLOW_NESTED", "yes", True),
        ("DLAAS_RUN_LIMIT", "3600", 3600.0),
        ("DLAAS_RUN_LIMIT", "none", None),
        ("DLAAS_ZIP_LIMIT", "10MiB", 10 * 1024**2),
        ("DLAAS_UNPACKED_LIMIT", "12345", 12345),
        ("DLAAS_PUBLIC_URL", "https://dl.example.org/", "https://dl.example.org"),
        ("DLAAS_OBJECTSTORE", "off", "off"),
        ("DLAAS_PASSWORD", " s p ", " s p "),
    ],
)
def test_each_variable_is_read(variable, value, read):
    assert getattr(read_settings({variable: value}), variable.removeprefix("DLAAS_").lower()) == read


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DLAAS_PORT", "http"),
        ("DLAAS_PORT", "65536"),
        ("DLAAS_OBJECTSTORE", "swift"),
        ("DLAAS_RUN_LIMIT", "-1"),
        ("DLAAS_RUN_LIMIT", "nan"),
        ("DLAAS_ALLOW_NESTED", "perhaps"),
        ("DLAAS_ZIP_LIMIT", "0"),
        ("DLAAS_ZIP_LIMIT", "1MiBGiB"),
        ("DLAAS_PUBLIC_URL", "dl.example.org"),
    ],
)
def test_a_bad_value_names_the_variable_and_what_it_takes(variable, value):
    with pytest.raises(NotConfigured, match=f"{variable} takes "):
        read_settings({variable: value})


def test_a_misspelt_variable_is_refused_with_the_right_one():
    with pytest.raises(NotConfigured, match=r"DLAAS_GPU is no setting.*did you mean DLAAS_GPUS"):
        read_settings({"DLAAS_GPU": "0"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "gpu-box"])
def test_listening_beyond_loopback_must_be_asked_for(host):
    with pytest.raises(NotConfigured, match="--insecure-listen"):
        read_settings({"DLAAS_HOST": host})
    assert read_settings({"DLAAS_HOST": host, "DLAAS_INSECURE_LISTEN": "yes"}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_asking(host):
    assert read_settings({"DLAAS_HOST": host}).host == host


def test_one_port_is_not_given_to_two_servers():
    with pytest.raises(NotConfigured, match="both 8481"):
        read_settings({"DLAAS_PORT": "8481"})
    assert read_settings({"DLAAS_PORT": "8481", "DLAAS_OBJECTSTORE": "off"}).port == 8481


def test_no_secret_is_in_the_repr():
    settings = read_settings({"DLAAS_PASSWORD": "hush-1", "DLAAS_DATABASE": "postgresql://dlaas:hush-2@db/dlaas"})
    assert "hush" not in repr(settings)


def test_the_client_reads_its_own_part():
    said = {"DLAAS_HOME": "/srv/dlaas", "DLAAS_URL": "http://h:1", "DLAAS_USER": "u", "DLAAS_PORT": "1"}
    assert read_client(said) == (Path("/srv/dlaas"), {"url": "http://h:1", "user": "u"})


def test_every_setting_says_what_it_is():
    source = Path(read_settings.__code__.co_filename).read_text()
    for one in fields(Settings):
        declaration = source.split(f"\n    {one.name}: ", 1)[1].split("\n", 1)[1]
        assert declaration.lstrip().startswith('"""'), f"{one.name} has no docstring"
