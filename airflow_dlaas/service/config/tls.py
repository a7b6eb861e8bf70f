"""
The service's TLS certificate, checked before anything is started.

The check includes a TLS handshake in memory: clients must find the host that they call in the certificate, and must be
able to verify its signature. Clients are the command line and every training that loads data from the embedded Swift.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import NotConfigured

CERTIFICATE_SETTING, KEY_SETTING, CA_SETTING = "DLAAS_TLS_CERTIFICATE", "DLAAS_TLS_KEY", "DLAAS_TLS_CA"

CA_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name a CA bundle for requests, and so for every client of this package; the first one set counts."""


@dataclass(frozen=True)
class TlsConfig:
    """The files of a certificate and its private key, and of the authorities that signed it, unless it is public."""

    certificate: Path
    key: Path
    ca_file: Path | None = None

    @property
    def verify(self) -> bool | str:
        """The ``verify`` parameter of `requests` for a client of the service."""
        return True if self.ca_file is None else str(self.ca_file)

    def server_context(self) -> ssl.SSLContext:
        """
        Return the TLS context of a server with this certificate.

        :raises NotConfigured: a file cannot be used; the message names its variable.
        """
        _require_readable(CERTIFICATE_SETTING, self.certificate)
        _require_readable(KEY_SETTING, self.key)
        _ca_context(CERTIFICATE_SETTING, self.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_refuse_passphrase)
        except _EncryptedKey:
            raise NotConfigured(
                f"{KEY_SETTING} is {self.key}, which needs a passphrase; give a key without one"
            ) from None
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise NotConfigured(
                    f"{KEY_SETTING} is {self.key}, which is not the key of the certificate {self.certificate}"
                ) from error
            if "TOO_" in (error.reason or ""):  # the key is too small, or the digest too weak
                raise NotConfigured(
                    f"{CERTIFICATE_SETTING} is {self.certificate}, which is too weak for TLS today ({error.reason})"
                ) from error
            raise NotConfigured(f"{KEY_SETTING} is {self.key}, which contains no private key in PEM") from error
        return context

    def require_valid_for(self, *hostnames: str) -> None:
        """
        Check that clients can verify the certificate when they call the service by each of *hostnames*.

        :raises NotConfigured: they cannot, or a file cannot be used; the message names the variable and the cause.
        """
        server = self.server_context()
        if self.ca_file is not None:
            _require_readable(CA_SETTING, self.ca_file)
            client = _ca_context(CA_SETTING, self.ca_file)
        else:
            # The bundle that requests takes from the environment.
            client = ssl.create_default_context(cafile=_default_ca_bundle())
        for hostname in hostnames:
            _require_handshake(server, client, hostname, self)


def combined_ca_bundle(ca_file: Path) -> str:
    """
    Return the text of a CA bundle for trainings: the authorities that requests trusts by default, and *ca_file*.

    :raises NotConfigured: *ca_file* cannot be used.
    """
    _require_readable(CA_SETTING, ca_file)
    _ca_context(CA_SETTING, ca_file)
    return "\n".join(path.read_bytes().decode("ascii", "replace") for path in (Path(_default_ca_bundle()), ca_file))


def _default_ca_bundle() -> str:
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # imported late: not every reader of settings needs requests

    configured = next((os.environ[name] for name in CA_BUNDLE_VARIABLES if os.environ.get(name)), "")
    return configured if Path(configured).is_file() else DEFAULT_CA_BUNDLE_PATH


def _require_readable(variable: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise NotConfigured(f"{variable} is {path}, which cannot be read: {error.strerror}") from error


def _ca_context(variable: str, path: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(path))
    except ssl.SSLError as error:
        raise NotConfigured(f"{variable} is {path}, which contains no certificate in PEM") from error


class _EncryptedKey(Exception):
    """The private key needs a passphrase. The service runs without a terminal to ask for it."""


def _refuse_passphrase() -> str:
    raise _EncryptedKey


def _require_handshake(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext, hostname: str, tls: TlsConfig
) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = client_context.wrap_bio(to_client, to_server, server_hostname=hostname)
    server_side = server_context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client_side, server_side]
    try:
        while waiting:
            side = waiting.pop(0)
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                waiting.append(side)
    except ssl.SSLCertVerificationError as error:
        authority_hint = (
            "Set DLAAS_TLS_CA to the file of the authority that signed it (the certificate itself if self-signed)"
        )
        name_hint = "Set DLAAS_PUBLIC_URL to a URL with a name in the certificate (https://gpu-box.example.org:8480)"
        hint = name_hint if "match" in error.verify_message else authority_hint
        raise NotConfigured(
            f"{CERTIFICATE_SETTING} is {tls.certificate}, which clients that call the service {hostname} cannot "
            f"verify: {error.verify_message.rstrip('.')}. {hint}"
        ) from error
