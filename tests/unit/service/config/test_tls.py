"""The check of the TLS certificate before the start, and the service's addresses."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.config.service_addresses import ServiceAddress
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.config.tls import TlsConfig, combined_ca_bundle
from tests.certificates import Pair, pair


@pytest.fixture
def good(tmp_path):
    return pair(tmp_path / "good", "127.0.0.1", "::1", "gpu-box.example.org")


def with_ca(one: Pair) -> TlsConfig:
    return TlsConfig(one.certificate, one.key, one.certificate)


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "gpu-box.example.org"])
def test_certificate_is_valid_for_each_of_its_names(good, name):
    with_ca(good).require_valid_for(name)


def test_certificate_without_the_name_is_refused_with_a_hint(good):
    with pytest.raises(NotConfigured, match=r"DLAAS_TLS_CERTIFICATE is .*10\.1\.2\.3.*DLAAS_PUBLIC_URL"):
        with_ca(good).require_valid_for("10.1.2.3")
    with pytest.raises(NotConfigured, match=r"other\.example\.org.*DLAAS_PUBLIC_URL"):
        with_ca(good).require_valid_for("127.0.0.1", "other.example.org")


def test_self_signed_certificate_without_its_ca_is_refused_with_a_hint(good):
    with pytest.raises(NotConfigured, match=r"self-signed.*Set DLAAS_TLS_CA to the file"):
        TlsConfig(good.certificate, good.key).require_valid_for("127.0.0.1")


def test_expired_certificate_is_refused(tmp_path):
    with pytest.raises(NotConfigured, match="expired"):
        with_ca(pair(tmp_path / "old", "127.0.0.1", days=-1)).require_valid_for("127.0.0.1")


def test_certificate_of_another_authority_is_refused(good, tmp_path):
    other = pair(tmp_path / "other", "127.0.0.1")
    with pytest.raises(NotConfigured, match="DLAAS_TLS_CA"):
        TlsConfig(good.certificate, good.key, other.certificate).require_valid_for("127.0.0.1")


def test_key_of_another_certificate_is_refused(good, tmp_path):
    other = pair(tmp_path / "other", "127.0.0.1")
    with pytest.raises(NotConfigured, match=r"DLAAS_TLS_KEY is .*not the key of the certificate"):
        TlsConfig(good.certificate, other.key).require_valid_for()


def test_key_with_a_passphrase_is_refused_without_a_prompt(tmp_path):
    locked = pair(tmp_path / "locked", "127.0.0.1", passphrase="sesame")
    with pytest.raises(NotConfigured, match=r"DLAAS_TLS_KEY is .*passphrase"):
        TlsConfig(locked.certificate, locked.key).require_valid_for()


@pytest.mark.parametrize(
    ("variable", "field"),
    [("DLAAS_TLS_CERTIFICATE", "certificate"), ("DLAAS_TLS_KEY", "key"), ("DLAAS_TLS_CA", "ca_file")],
)
@pytest.mark.parametrize("harm", ["missing", "garbage", "empty", "folder", "unreadable"])
def test_unusable_file_is_named_with_its_variable(good, tmp_path, variable, field, harm):
    if harm == "unreadable" and os.geteuid() == 0:
        pytest.skip("root reads every file: run the tests as another user")
    bad = tmp_path / "bad.pem"
    match harm:
        case "garbage":
            bad.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        case "empty":
            bad.touch()
        case "folder":
            bad.mkdir()
        case "unreadable":
            bad.touch(mode=0)
    files = {"certificate": good.certificate, "key": good.key, "ca_file": good.certificate, field: bad}
    with pytest.raises(NotConfigured, match=f"^{variable} is {re.escape(str(bad))}, which "):
        TlsConfig(**files).require_valid_for("127.0.0.1")


def test_ca_file_is_checked_without_a_certificate_too(tmp_path):
    """The CA file may be that of a proxy, with a service without a certificate."""
    with pytest.raises(NotConfigured, match=r"DLAAS_TLS_CA is .*cannot be read"):
        combined_ca_bundle(tmp_path / "nowhere.pem")


def test_certificate_and_key_may_be_one_file(good, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(good.certificate.read_bytes() + good.key.read_bytes())
    TlsConfig(both, both, good.certificate).require_valid_for("127.0.0.1")


def test_combined_bundle_has_the_default_authorities_and_the_configured_one(good, tmp_path, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    together = tmp_path / "together.pem"
    together.write_text(combined_ca_bundle(good.certificate))
    trusted = ssl.create_default_context(cafile=str(together)).get_ca_certs()
    assert len(trusted) > 50
    assert {"subject": ((("commonName", "test"),),)}.items() <= trusted[-1].items()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(good.certificate))
    assert combined_ca_bundle(good.certificate).count("BEGIN CERTIFICATE") == 2


PAIR = {"tls_certificate": Path("c"), "tls_key": Path("k")}


@pytest.mark.parametrize(
    ("settings", "url", "proved"),
    [
        (Settings(), "http://127.0.0.1:8481", ("127.0.0.1",)),
        (Settings(host="::"), "http://[::1]:8481", ("::1",)),
        (Settings(host="0.0.0.0", public_url="https://proxy.org"), "http://127.0.0.1:8481", ("127.0.0.1",)),
        (Settings(host="0.0.0.0", public_url="https://box.org:1", **PAIR), "https://box.org:8481", ("box.org",)),
        (Settings(public_url="https://proxy.org", **PAIR), "https://127.0.0.1:8481", ("127.0.0.1",)),
        (Settings(objectstore="off", public_url="https://proxy.org", **PAIR), "https://127.0.0.1:8481", ()),
        (Settings(objectstore="off", **PAIR), "https://127.0.0.1:8481", ("127.0.0.1",)),
    ],
)
def test_service_address_has_url_and_certificate_names(settings, url, proved):
    address = ServiceAddress.from_settings(settings)
    assert (address.url(8481), address.certificate_names) == (url, proved)
    assert url in address.url_aliases(8481)


def test_reachable_host_is_that_of_the_proxy():
    assert (
        ServiceAddress.from_settings(Settings(public_url="https://dl.example.org")).reachable_host == "dl.example.org"
    )
    assert ServiceAddress.from_settings(Settings(public_url="http://localhost:1")).reachable_host == "localhost"
    assert (
        ServiceAddress.from_settings(Settings(host="0.0.0.0", public_url="http://localhost:1")).reachable_host
        == "0.0.0.0"
    )
    assert ServiceAddress.from_settings(Settings()).reachable_host == "127.0.0.1"
