"""The allowlist of object stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.exceptions import StoreNotAllowed
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from airflow_dlaas.service.object_store_allowlist import (
    ALLOW_ANY,
    ALLOW_NONE,
    ObjectStoreAllowlist,
    parse_host_port,
)

SOME = "swift.example.org, other.example.org:8080, *.example.net, 10.0.0.7:8080, [2001:db8::7]:8080, 2001:db8::8"


@pytest.mark.parametrize(
    "url",
    [
        "https://swift.example.org/auth/v1.0",
        "http://swift.example.org:8080/auth/v1.0",
        "https://SWIFT.Example.ORG./auth",
        "http://other.example.org:8080",
        "http://OTHER.example.org.:8080/v3",
        "https://a.example.net/v3",
        "https://a.b.example.net:5000/v3",
        "http://10.0.0.7:8080/",
        "http://[2001:DB8:0::7]:8080/auth/v1.0",
        "http://[::ffff:10.0.0.7]:8080/auth/v1.0",
        "http://[2001:db8::8]:1/",
        "https://swift.example.org/path@with/an:at",
    ],
)
def test_listed_hosts_are_allowed_in_any_spelling(url):
    assert ObjectStoreAllowlist.parse(SOME).allows(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/auth/v1.0",
        "http://swift.example.org.evil.example/",
        "http://evil-swift.example.org/",
        "http://other.example.org/auth",  # port 80, where only 8080 is allowed
        "https://other.example.org/auth",
        "http://example.net/",
        "http://evilexample.net/",
        "http://10.0.0.7/",
        "http://10.0.0.70:8080/",
        "http://0x0a000007:8080/",  # the same address for a resolver, in another spelling
        "http://167772167:8080/",
        "http://[2001:db8::7]/",
        "http://swift.example.org@evil.example/",
        "http://@evil.example/",
        "http://user:swift.example.org@evil.example/",
        "http://evil.example#@swift.example.org/",
        "http://evil.example?@swift.example.org/",
        "http://evil.example\\@swift.example.org/",
        "http://swift.example.org\\.evil.example/",
        "http://swift.example.org\t.evil.example/",
        "http://swift.example.org\n/",
        " http://swift.example.org/",
        "http://swift.example.org%2eevil.example/",
        "http://swift.example.org:8080:9090/",
        "http://swift.example.org:/",
        "http://swift.example.org:99999/",
        "http://swift.exämple.org/",
        "http://swift。example.org/",
        "http:swift.example.org/",
        "http:///swift.example.org/",
        "//swift.example.org/",
        "file://swift.example.org/etc",
        "http://[2001:db8::7%25eth0]:8080/",
        "http://[not-an-address]/",
        "http://127.0.0.1:8481/",
        "",
    ],
)
def test_other_urls_are_not_allowed(url):
    assert not ObjectStoreAllowlist.parse(SOME).allows(url)


def test_any_allows_all_unambiguous_urls():
    anything = ObjectStoreAllowlist.parse(" Any ")
    assert anything.allows("http://10.9.8.7/auth/v1.0")
    assert not anything.allows("http://swift.example.org@evil.example/")


def test_empty_allowlist_allows_added_urls_only():
    embedded = ALLOW_NONE.with_urls(["http://127.0.0.1:8481", "http://[::1]:8481"])
    assert embedded.allows("http://127.0.0.1:8481/auth/v1.0")
    assert embedded.allows("http://[0::1]:8481/auth/v1.0")
    for url in ("http://127.0.0.1:8480/", "http://127.0.0.1/", "http://127.0.0.2:8481/", "http://169.254.169.254/"):
        assert not embedded.allows(url)
    assert not ALLOW_NONE.allows("http://127.0.0.1:8481/auth/v1.0")


@pytest.mark.parametrize(
    "text",
    ["", ",", "swift.example.org,", "http://swift.example.org", "a b", "*", "*.", "a*.org", "h:0", "h:65536", "h:x",
     "h:", "*.0.0.1", "[::1", "user@host", "a..b", ".org", "any, swift.example.org:x", "swift.example.org/auth"],
)  # fmt: skip
def test_invalid_entries_are_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        ObjectStoreAllowlist.parse(text)


def test_url_without_a_port_has_the_default_port():
    assert str(parse_host_port("http://h/")) == "h:80"
    assert str(parse_host_port("HTTPS://H./x")) == "h:443"
    assert str(parse_host_port("https://[::1]:8443")) == "[::1]:8443"
    assert ObjectStoreAllowlist.parse("h:443").allows("https://h/")
    assert not ObjectStoreAllowlist.parse("h:443").allows("http://h/")


def test_description_lists_the_hosts():
    assert ObjectStoreAllowlist.parse("b.org:1, *.a.org, [::1]:5").description == "*.a.org, [::1]:5, b.org:1"
    assert ALLOW_NONE.description == "none"


@pytest.mark.parametrize("url", ["https://swift.example.org/v1/AUTH_a", "http://10.0.0.7:8080/v1/AUTH_a"])
def test_storage_url_on_an_allowed_host_is_accepted(url):
    ObjectStoreAllowlist.parse(SOME).require_allowed(url)
    ALLOW_ANY.require_allowed(url)


def test_storage_url_on_another_host_is_refused_with_the_entry_to_add():
    with pytest.raises(StoreNotAllowed, match=r"on 10\.0\.0\.8:8080, .*\(a\.org\).*adds 10\.0\.0\.8:8080 to DLAAS_OBJ"):
        ObjectStoreAllowlist.parse("a.org").require_allowed("http://10.0.0.8:8080/v1/AUTH_a")


@pytest.mark.parametrize("url", ["http://user:secret@10.0.0.8/v1", "/v1/AUTH_secret", "", "http:\\\\secret/"])
def test_ambiguous_storage_url_is_refused_and_not_shown(url):
    for stores in (ObjectStoreAllowlist.parse("10.0.0.8"), ALLOW_ANY):
        with pytest.raises(StoreNotAllowed, match="not plainly the URL of one host") as caught:
            stores.require_allowed(url)
        assert "secret" not in str(caught.value)


def test_allowlist_survives_the_job_spec():
    runtime = RuntimeSpec(key="k", kind="venv", provides="x")
    paths = {"code": Path("/c"), "environments": Path("/e")}
    for stores in (ObjectStoreAllowlist.parse(SOME), ALLOW_ANY, ALLOW_NONE):
        spec = JobSpec(training_id="t", command="true", runtime=runtime, gpus=(), object_stores=stores, **paths)
        assert JobSpec.model_validate_json(spec.model_dump_json()).object_stores == stores
