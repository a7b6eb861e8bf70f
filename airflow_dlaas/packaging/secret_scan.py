"""Which files look like secrets, by their names and by their first bytes. No I/O."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

HEAD_SIZE = 64 * 1024
"""Bytes of a file that are searched for a key: one stands at the beginning of its file, or in a small one."""

_SECRET_NAME_PATTERNS = (
    ".env",
    ".env.*",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.kdbx",
    ".netrc",
    ".pypirc",
    ".htpasswd",
    ".pgpass",
    ".git-credentials",
    "credentials.json",
    "service-account*.json",
    "kubeconfig",
    "connections.json",  # what `airflow connections export` and our own service write
)

_EXAMPLE_NAME_PATTERNS = (".env*.example", ".env*.sample", ".env*.template")

_PEM_HEADER = rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE_KEY = re.compile(
    rb"^[ \t]*" + _PEM_HEADER + rb"[ \t\r]*$"
    # In a JSON or a string of a program; the line's end may be spelled there, or the string go on in the next line.
    rb"|" + _PEM_HEADER + rb"(?:\\[nr]|[\s\"'+,\\])*[A-Za-z0-9+/=]{24}",
    re.MULTILINE,
)


def has_secret_name(name: str) -> bool:
    """Whether files of this *name*, whatever folder they are in and whatever case it is written in, hold secrets."""
    last = name.rpartition("/")[2].lower()
    return any(fnmatchcase(last, one) for one in _SECRET_NAME_PATTERNS) and not any(
        fnmatchcase(last, one) for one in _EXAMPLE_NAME_PATTERNS
    )


def contains_private_key(head: bytes) -> bool:
    """
    Whether a private key in PEM begins in *head*, the first `HEAD_SIZE` bytes of a file.

    Its header has to stand alone on a line, as in a key file or a YAML, or to be followed by what looks like a key, as
    in a JSON. A program that only mentions the header holds no key, and neither does a certificate.
    """
    return b"PRIVATE KEY" in head and _PRIVATE_KEY.search(head) is not None
