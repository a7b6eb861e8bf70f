"""
The certificate that the service shows: whether it can be used is found out before anything is started.

Also by a handshake with ourselves, in memory: whoever connects must find the name they call in it, and be able to
trust it. The console does, and every training that fetches data from the embedded Swift.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import NotConfigured

CERTIFICATE_SETTING, KEY_SETTING, CA_SETTING = "DLAAS_TLS_CERTIFICATE", "DLAAS_TLS_KEY", "DLAAS_TLS_CA"

CA_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables by which requests, and so every client of ours, is told whom to trust; the first that is set counts."""


@dataclass(frozen=True)
class TlsConfig:
    """Files of a certificate and its key, and of the authorities that vouch for it, if not everybody knows them."""

    certificate: Path
    key: Path
    ca_file: Path | None = None

    @property
    def verify(self) -> bool | str:
        """Whom a client must trust, as `requests` takes it."""
        return True if self.ca_file is None else str(self.ca_file)

    def server_context(self) -> ssl.SSLContext:
        """
        Make what a server shows the certificate with.

        :raises NotConfigured: naming the variable whose file can't be used.
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
            if "TOO_" in (error.reason or ""):  # a key too small, a digest too weak
                raise NotConfigured(
                    f"{CERTIFICATE_SETTING} is {self.certificate}, which is too weak for TLS today ({error.reason})"
                ) from error
            raise NotConfigured(f"{KEY_SETTING} is {self.key}, which holds no private key in PEM") from error
        return context

    def require_valid_for(self, *hostnames: str) -> None:
        """
        See that clients can trust the certificate when they call the service by each of *hostnames*.

        :raises NotConfigured: naming the variable, and what is wrong.
        """
        server = self.server_context()
        if self.ca_file is not None:
            _require_readable(CA_SETTING, self.ca_file)
            trusting = _ca_context(CA_SETTING, self.ca_file)
        else:
            # Out of the environment, as requests does it.
            trusting = ssl.create_default_context(cafile=_default_ca_bundle())
        for name in hostnames:
            _require_handshake(server, trusting, name, self)


def combined_ca_bundle(ca_file: Path) -> str:
    """
    Put the authorities trusted here anyway and those of *ca_file* into the text of one file: for trainings.

    :raises NotConfigured: that of *ca_file* can't be used.
    """
    _require_readable(CA_SETTING, ca_file)
    _ca_context(CA_SETTING, ca_file)
    return "\n".join(one.read_bytes().decode("ascii", "replace") for one in (Path(_default_ca_bundle()), ca_file))


def _default_ca_bundle() -> str:
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # here, since settings are read by whoever needs no requests

    said = next((os.environ[name] for name in CA_BUNDLE_VARIABLES if os.environ.get(name)), "")
    return said if Path(said).is_file() else DEFAULT_CA_BUNDLE_PATH


def _require_readable(variable: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise NotConfigured(f"{variable} is {path}, which can't be read: {error.strerror}") from error


def _ca_context(variable: str, path: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(path))
    except ssl.SSLError as error:
        raise NotConfigured(f"{variable} is {path}, which holds no certificate in PEM") from error


class _EncryptedKey(Exception):
    """The key asks for a passphrase; nobody is there to give one."""


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
        trust = "DLAAS_TLS_CA names the file of the authority that signed it (of the certificate itself, if nobody did)"
        named = "its name belongs into DLAAS_PUBLIC_URL (https://gpu-box.example.org:8480)"
        raise NotConfigured(
            f"{CERTIFICATE_SETTING} is {tls.certificate}, which nobody could trust who calls the service {hostname}: "
            f"{error.verify_message}. {named if 'match' in error.verify_message else trust}"
        ) from error
