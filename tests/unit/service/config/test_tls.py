"""The certificate, found out about before anything is started."""

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


def vouched(one: Pair) -> TlsConfig:
    return TlsConfig(one.certificate, one.key, one.certificate)


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "gpu-box.example.org"])
def test_a_good_one_is_good_for_each_of_its_names(good, name):
    vouched(good).require_valid_for(name)


def test_another_name_is_refused_with_where_to_say_it(good):
    with pytest.raises(NotConfigured, match=r"DLAAS_TLS_CERTIFICATE is .*10\.1\.2\.3.*DLAAS_PUBLIC_URL"):
        vouched(good).require_valid_for("10.1.2.3")
    with pytest.raises(NotConfigured, match=r"other\.example\.org.*DLAAS_PUBLIC_URL"):
        vouched(good).require_valid_for("127.0.0.1", "other.example.org")


def test_one_that_nobody_vouches_for_is_refused_with_where_to_say_who_does(good):
    with pytest.raises(NotConfigured, match=r"self-signed.*Set DLAAS_TLS_CA to the file"):
        TlsConfig(good.certificate, good.key).require_valid_for("127.0.0.1")


def test_one_that_has_expired_is_refused(tmp_path):
    with pytest.raises(NotConfigured, match="expired"):
        vouched(pair(tmp_path / "old", "127.0.0.1", days=-1)).require_valid_for("127.0.0.1")


def test_another_authority_does_not_vouch_for_it(good, tmp_path):
    other = pair(tmp_path / "other", "127.0.0.1")
    with pytest.raises(NotConfigured, match="DLAAS_TLS_CA"):
        TlsConfig(good.certificate, good.key, other.certificate).require_valid_for("127.0.0.1")


def test_a_key_of_another_certificate_is_refused(good, tmp_path):
    other = pair(tmp_path / "other", "127.0.0.1")
    with pytest.raises(NotConfigured, match=r"DLAAS_TLS_KEY is .*not the key of the certificate"):
        TlsConfig(good.certificate, other.key).require_valid_for()


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path):
    locked = pair(tmp_path / "locked", "127.0.0.1", passphrase="sesame")
    with pytest.raises(NotConfigured, match=r"DLAAS_TLS_KEY is .*passphrase"):
        TlsConfig(locked.certificate, locked.key).require_valid_for()


@pytest.mark.parametrize(
    ("variable", "field"),
    [("DLAAS_TLS_CERTIFICATE", "certificate"), ("DLAAS_TLS_KEY", "key"), ("DLAAS_TLS_CA", "ca_file")],
)
@pytest.mark.parametrize("harm", ["missing", "garbage", "empty", "folder", "unreadable"])
def test_a_file_that_is_no_good_is_named_by_its_variable(good, tmp_path, variable, field, harm):
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


def test_an_authority_for_somebody_else_s_certificate_is_looked_at_too(tmp_path):
    """A proxy's, say: then there is no certificate of our own."""
    with pytest.raises(NotConfigured, match=r"DLAAS_TLS_CA is .*cannot be read"):
        combined_ca_bundle(tmp_path / "nowhere.pem")


def test_certificate_and_key_may_be_one_file(good, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(good.certificate.read_bytes() + good.key.read_bytes())
    TlsConfig(both, both, good.certificate).require_valid_for("127.0.0.1")


def test_trainings_trust_the_authority_besides_everybody_s(good, tmp_path, monkeypatch):
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
def test_what_a_service_is_called_and_which_names_its_certificate_must_have(settings, url, proved):
    address = ServiceAddress.from_settings(settings)
    assert (address.url(8481), address.certificate_names) == (url, proved)
    assert url in address.url_aliases(8481)


def test_a_service_behind_a_proxy_is_reached_where_the_proxy_is():
    assert (
        ServiceAddress.from_settings(Settings(public_url="https://dl.example.org")).reachable_host == "dl.example.org"
    )
    assert ServiceAddress.from_settings(Settings(public_url="http://localhost:1")).reachable_host == "localhost"
    assert (
        ServiceAddress.from_settings(Settings(host="0.0.0.0", public_url="http://localhost:1")).reachable_host
        == "0.0.0.0"
    )
    assert ServiceAddress.from_settings(Settings()).reachable_host == "127.0.0.1"
