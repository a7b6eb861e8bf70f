"""What must hold before others can reach the service: its words are sealed, its password is none they would guess."""

from __future__ import annotations

import ipaddress

from airflow_dlaas.exceptions import NotConfigured

MIN_PASSWORD_LENGTH = 12
"""Characters of a password that is no weak one."""

COMMON_PASSWORDS = frozenset(
    {"password", "passw0rd", "admin", "administrator", "changeme", "changeit", "dlaas", "airflow", "secret", "letmein"}
)
"""What people try first, whatever is put behind it: digits and punctuation at the end make none of these better."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach *host*."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def password_weakness(user: str, password: str) -> str | None:
    """Say what makes *password* easy to guess for *user*; None if nothing does."""
    plain = password.lower()
    if plain == user.lower():
        return "is the user's name"
    if plain in COMMON_PASSWORDS or plain.rstrip("0123456789!?.-_#$") in COMMON_PASSWORDS:
        return "is one of those that are tried first"
    if len(password) < MIN_PASSWORD_LENGTH:
        return f"has fewer than {MIN_PASSWORD_LENGTH} characters"
    return None


def require_tls(host: str) -> None:
    """
    Refuse to listen at *host* in the clear if others can reach it.

    :raises NotConfigured: they can.
    """
    if not is_loopback(host):
        raise NotConfigured(
            f"DLAAS_HOST is {host}, which others can reach, and there is no TLS: passwords would cross the network in "
            "the clear. Give the service a certificate (DLAAS_TLS_CERTIFICATE and DLAAS_TLS_KEY), put a TLS proxy "
            "before a service on 127.0.0.1, or say --insecure-listen (DLAAS_INSECURE_LISTEN=yes) where the network is "
            "trusted"
        )


def require_strong_password(host: str, user: str, password: str) -> None:
    """
    Refuse a weak password for a service that others reach at *host*.

    :raises NotConfigured: it is one; the message doesn't show it.
    """
    why = None if is_loopback(host) else password_weakness(user, password)
    if why is not None:
        raise NotConfigured(
            f"The password of {user} {why}, and others can reach the service at {host}. Set DLAAS_PASSWORD to a "
            "better one (python3 -c 'import secrets; print(secrets.token_urlsafe(18))' makes one), or say "
            "--insecure-listen (DLAAS_INSECURE_LISTEN=yes) where the network is trusted"
        )
