"""Conditions for listening beyond loopback: encrypted connections, and a password that is hard to guess."""

from __future__ import annotations

import ipaddress

from airflow_dlaas.exceptions import NotConfigured

MIN_PASSWORD_LENGTH = 12
"""Characters that a password needs at least."""

COMMON_PASSWORDS = frozenset(
    {"password", "passw0rd", "admin", "administrator", "changeme", "changeit", "dlaas", "airflow", "secret", "letmein"}
)
"""Passwords that attackers try first. Digits and punctuation at the end make none of them stronger."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach *host*."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def password_weakness(user: str, password: str) -> str | None:
    """Return why *password* of *user* is easy to guess, as the end of a sentence; None if it is not."""
    plain = password.lower()
    if plain == user.lower():
        return "is the user's name"
    if plain in COMMON_PASSWORDS or plain.rstrip("0123456789!?.-_#$") in COMMON_PASSWORDS:
        return "is one of the most common passwords"
    if len(password) < MIN_PASSWORD_LENGTH:
        return f"has fewer than {MIN_PASSWORD_LENGTH} characters"
    return None


def require_tls(host: str) -> None:
    """
    Check that the service may listen at *host* without TLS.

    :raises NotConfigured: other machines can reach *host*.
    """
    if not is_loopback(host):
        raise NotConfigured(
            f"DLAAS_HOST is {host}, which other machines can reach, and there is no TLS: passwords would cross the "
            "network in the clear. Give the service a certificate (DLAAS_TLS_CERTIFICATE and DLAAS_TLS_KEY), put a TLS "
            "proxy in front of a service on 127.0.0.1, or, in a trusted network, pass --insecure-listen "
            "(DLAAS_INSECURE_LISTEN=yes)"
        )


def require_strong_password(host: str, user: str, password: str) -> None:
    """
    Check that *password* is strong enough for a service that clients reach at *host*.

    :raises NotConfigured: other machines can reach *host*, and *password* is weak. The message does not contain it.
    """
    weakness = None if is_loopback(host) else password_weakness(user, password)
    if weakness is not None:
        raise NotConfigured(
            f"The password of {user} {weakness}, and other machines can reach the service at {host}. Set "
            "DLAAS_PASSWORD to a stronger one (python3 -c 'import secrets; print(secrets.token_urlsafe(18))' makes "
            "one), or, in a trusted network, pass --insecure-listen (DLAAS_INSECURE_LISTEN=yes)"
        )
