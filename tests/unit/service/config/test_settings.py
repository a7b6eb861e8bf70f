"""The settings of the service."""

from __future__ import annotations

import inspect
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.config.client_settings import read_client_settings
from airflow_dlaas.service.config.read_settings import read_settings
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.config.tls import TlsConfig
from airflow_dlaas.service.image_allowlist import ImageAllowlist
from airflow_dlaas.service.mount_roots import parse_mount_roots
from airflow_dlaas.service.object_store_allowlist import ObjectStoreAllowlist


def test_defaults_are_a_service_on_loopback():
    settings = read_settings({"PATH": "/bin"})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.objectstore_port) == ("127.0.0.1", 8480, 8481)


def test_option_has_priority_over_its_variable():
    assert read_settings({"DLAAS_PORT": "9000"}, {"port": "9001", "host": None}).port == 9001


def test_empty_variable_is_ignored():
    assert read_settings({"DLAAS_PORT": ""}).port == 8480


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("DLAAS_HOME", "~/x", Path("~/x").expanduser()),
        ("DLAAS_ALLOW_NESTED", "yes", True),
        ("DLAAS_RUN_LIMIT", "3600", 3600.0),
        ("DLAAS_RUN_LIMIT", "none", None),
        ("DLAAS_CHECKPOINTS_KEPT", "0", 0),
        ("DLAAS_GRACE_LIMIT", "0", 0.0),
        ("DLAAS_GRACE_LIMIT", "120.5", 120.5),
        ("DLAAS_CPUS", "2.5", 2.5),
        ("DLAAS_CPUS", "none", None),
        ("DLAAS_CPUS", "auto", "auto"),
        ("DLAAS_MEMORY", "16GiB", 16 * 1024**3),
        ("DLAAS_MEMORY", "none", None),
        ("DLAAS_MEMORY", "auto", "auto"),
        ("DLAAS_CGROUPS", "off", "off"),
        ("DLAAS_CGROUPS", "/sys/fs/cgroup/dlaas", "/sys/fs/cgroup/dlaas"),
        ("DLAAS_ZIP_LIMIT", "10MiB", 10 * 1024**2),
        ("DLAAS_UNPACKED_LIMIT", "12345", 12345),
        ("DLAAS_PUBLIC_URL", "https://dl.example.org/", "https://dl.example.org"),
        ("DLAAS_OBJECTSTORE", "embedded", "embedded"),
        (
            "DLAAS_OBJECT_STORES",
            "swift.example.org:8080, *.example.net",
            ObjectStoreAllowlist.parse("*.example.net,swift.example.org:8080"),
        ),
        ("DLAAS_OBJECT_STORES", "any", ObjectStoreAllowlist(anything=True)),
        (
            "DLAAS_IMAGES",
            "registry.example.org/team/*:*, site/torch@sha256:*",
            ImageAllowlist.parse("registry.example.org/team/*:*,site/torch@sha256:*"),
        ),
        ("DLAAS_TOKEN_LIFETIME", "3600", timedelta(hours=1)),
        ("DLAAS_USERS", "/etc/dlaas/users", Path("/etc/dlaas/users")),
        ("DLAAS_PASSWORD", " s p ", " s p "),
        ("DLAAS_ISOLATION", "bubblewrap", "bubblewrap"),
        ("DLAAS_SECRETS_WITHOUT_ISOLATION", "yes", True),
        ("DLAAS_VISIBLE", "/data, /srv/sets", (Path("/data"), Path("/srv/sets"))),
        ("DLAAS_LOG_LIMIT", "64MiB", 64 * 1024**2),
        ("DLAAS_DATA_CACHE", "auto", "auto"),
        ("DLAAS_DATA_CACHE", "off", None),
        ("DLAAS_DATA_CACHE", "/fast/cache", Path("/fast/cache")),
        ("DLAAS_DATA_CACHE_LIMIT", "500GiB", 500 * 1024**3),
        ("DLAAS_MOUNTS", "/data, /scratch:rw", parse_mount_roots("/data,/scratch:rw")),
        ("DLAAS_RESULTS_STORE", "/etc/dlaas/results.json", Path("/etc/dlaas/results.json")),
        ("DLAAS_MONITOR_LIMIT", "50", 50),
    ],
)
def test_variables_are_parsed(variable, value, read):
    assert getattr(read_settings({variable: value}), variable.removeprefix("DLAAS_").lower()) == read


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DLAAS_PORT", "http"),
        ("DLAAS_PORT", "65536"),
        ("DLAAS_OBJECTSTORE", "swift"),
        ("DLAAS_RUN_LIMIT", "-1"),
        ("DLAAS_RUN_LIMIT", "nan"),
        ("DLAAS_CHECKPOINTS_KEPT", "-1"),
        ("DLAAS_CHECKPOINTS_KEPT", "all"),
        ("DLAAS_GRACE_LIMIT", "-1"),
        ("DLAAS_GRACE_LIMIT", "nan"),
        ("DLAAS_GRACE_LIMIT", "none"),
        ("DLAAS_CPUS", "0"),
        ("DLAAS_CPUS", "all"),
        ("DLAAS_MEMORY", "0"),
        ("DLAAS_MEMORY", "16G"),
        ("DLAAS_CGROUPS", "v2"),
        ("DLAAS_MONITOR_LIMIT", "0"),
        ("DLAAS_MONITOR_LIMIT", "none"),
        ("DLAAS_ALLOW_NESTED", "perhaps"),
        ("DLAAS_DATA_CACHE_LIMIT", "0"),
        ("DLAAS_DATA_CACHE_LIMIT", "all"),
        ("DLAAS_MOUNTS", "data"),
        ("DLAAS_MOUNTS", "/"),
        ("DLAAS_ZIP_LIMIT", "0"),
        ("DLAAS_ZIP_LIMIT", "1MiBGiB"),
        ("DLAAS_PUBLIC_URL", "dl.example.org"),
        ("DLAAS_OBJECT_STORES", "https://swift.example.org/auth"),
        ("DLAAS_OBJECT_STORES", "*"),
        ("DLAAS_TOKEN_LIFETIME", "5"),
        ("DLAAS_TOKEN_LIFETIME", "12h"),
        ("DLAAS_TOKEN_LIFETIME", "nan"),
        ("DLAAS_TOKEN_LIFETIME", "99999999"),
    ],
)
def test_invalid_value_names_the_variable_and_the_accepted_values(variable, value):
    with pytest.raises(NotConfigured, match=f"{variable} takes "):
        read_settings({variable: value})


def test_misspelled_variable_is_refused_with_a_suggestion():
    with pytest.raises(NotConfigured, match=r"DLAAS_GPU is no setting.*did you mean DLAAS_GPUS"):
        read_settings({"DLAAS_GPU": "0"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "gpu-box"])
def test_listening_beyond_loopback_needs_an_option(host):
    with pytest.raises(NotConfigured, match="--insecure-listen"):
        read_settings({"DLAAS_HOST": host})
    assert read_settings({"DLAAS_HOST": host, "DLAAS_INSECURE_LISTEN": "yes"}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_option(host):
    assert read_settings({"DLAAS_HOST": host}).host == host


def test_equal_ports_are_refused():
    with pytest.raises(NotConfigured, match="both 8481"):
        read_settings({"DLAAS_PORT": "8481"})
    elsewhere = {"DLAAS_OBJECTSTORE": "off", "DLAAS_OBJECT_STORES": "swift.example.org"}
    assert read_settings({"DLAAS_PORT": "8481", **elsewhere}).port == 8481


def test_settings_without_any_object_store_are_refused():
    with pytest.raises(NotConfigured, match=r"DLAAS_OBJECTSTORE is off.*Name the hosts.*DLAAS_OBJECT_STORES"):
        read_settings({"DLAAS_OBJECTSTORE": "off"})
    assert read_settings({"DLAAS_OBJECTSTORE": "off", "DLAAS_OBJECT_STORES": "any"}).object_stores.anything


@pytest.mark.parametrize(("given", "missing"), [("CERTIFICATE", "KEY"), ("KEY", "CERTIFICATE")])
def test_certificate_without_key_is_refused(given, missing):
    with pytest.raises(NotConfigured, match=f"DLAAS_TLS_{missing} is missing"):
        read_settings({f"DLAAS_TLS_{given}": "/x.pem"})


def test_tls_permits_listening_beyond_loopback():
    pair = {"DLAAS_TLS_CERTIFICATE": "/c.pem", "DLAAS_TLS_KEY": "/k.pem"}
    assert read_settings({"DLAAS_HOST": "0.0.0.0", **pair}).tls == TlsConfig(Path("/c.pem"), Path("/k.pem"))


def test_repr_contains_no_secret():
    settings = read_settings({"DLAAS_PASSWORD": "hush-1", "DLAAS_DATABASE": "postgresql://dlaas:hush-2@db/dlaas"})
    assert "hush" not in repr(settings)


def test_client_settings_are_read():
    environment = {"DLAAS_HOME": "/srv/dlaas", "DLAAS_URL": "http://h:1", "DLAAS_USER": "u", "DLAAS_PORT": "1"}
    assert read_client_settings(environment) == (Path("/srv/dlaas"), {"url": "http://h:1", "user": "u"})
    assert read_client_settings({"DLAAS_TLS_CA": "~/ca.pem"})[1] == {"tls_ca": str(Path("~/ca.pem").expanduser())}


def test_every_setting_has_a_docstring():
    source = Path(inspect.getfile(Settings)).read_text()
    for one in fields(Settings):
        declaration = source.split(f"\n    {one.name}: ", 1)[1].split("\n", 1)[1]
        assert declaration.lstrip().startswith('"""'), f"{one.name} has no docstring"


def test_client_settings_refuse_an_unknown_variable_and_ignore_those_of_the_service() -> None:
    assert read_client_settings({"DLAAS_HOME": "/srv/dlaas", "DLAAS_PORT": "none"}) == (Path("/srv/dlaas"), {})
    with pytest.raises(NotConfigured, match=r"DLAAS_PASWORD is no setting .* did you mean DLAAS_PASSWORD"):
        read_client_settings({"DLAAS_PASWORD": "made-up"})
