from __future__ import annotations

import shutil
import ssl
import subprocess
from contextlib import suppress

import pytest

from airflow_dlaas._util.tls import tls_context
from tests.certificates import pair

NAME = "service.test"


@pytest.fixture
def service(tmp_path):
    return pair(tmp_path / "service", NAME)


@pytest.fixture
def other(tmp_path):
    return pair(tmp_path / "other", NAME)


def shake_hands(context, service, name=NAME):
    """Connect with *context* to a server with the certificate of *service*, in memory."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(service.certificate, service.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()


def test_context_trusts_the_authorities_of_the_path(service, other):
    shake_hands(tls_context(service.certificate), service)
    shake_hands(tls_context(str(service.certificate)), service)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tls_context(other.certificate), service)


def test_context_checks_the_name_of_the_server(service):
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tls_context(service.certificate), service, "another.test")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl names the certificates of the folder")
def test_context_trusts_the_authorities_of_a_folder(service):
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(service.certificate)]
    number = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    folder = service.certificate.parent
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tls_context(folder), service)
    (folder / f"{number}.0").symlink_to(service.certificate)
    shake_hands(tls_context(folder), service)


def test_context_trusts_the_default_authorities_if_no_path_is_given(service, other):
    shake_hands(tls_context(True, default_ca=service.certificate), service)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tls_context(True, default_ca=other.certificate), service)


def test_context_prefers_the_path_to_the_default(service, other):
    shake_hands(tls_context(service.certificate, default_ca=other.certificate), service)


def test_context_trusts_the_system_without_a_default(service):
    context = tls_context(True)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, service)


def test_context_without_verification_checks_nothing(service, other):
    shake_hands(tls_context(False, default_ca=other.certificate), service, "another.test")


def test_context_takes_no_empty_path_for_trust():
    with pytest.raises(ValueError, match="empty"):
        tls_context("")


def test_context_of_a_missing_or_damaged_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        tls_context(tmp_path / "missing.pem")
    (tmp_path / "damaged.pem").write_text("no certificate")
    with pytest.raises(OSError, match=r"cert|PEM|no start line|X509"):
        tls_context(tmp_path / "damaged.pem")
