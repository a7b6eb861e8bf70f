"""Recognizes files that look like secrets by their names and their first bytes. No I/O."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

HEAD_SIZE = 64 * 1024
"""Bytes of a file that are searched for a key: a key is at the beginning of its file, or in a small file."""

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
    "connections.json",  # written by `airflow connections export` and by our service
)

_EXAMPLE_NAME_PATTERNS = (".env*.example", ".env*.sample", ".env*.template")

_PEM_HEADER = rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE_KEY = re.compile(
    rb"^[ \t]*" + _PEM_HEADER + rb"[ \t\r]*$"
    # In JSON or a string of a program: the line break may be an escape, or the string may continue in the next line.
    rb"|" + _PEM_HEADER + rb"(?:\\[nr]|[\s\"'+,\\])*[A-Za-z0-9+/=]{24}",
    re.MULTILINE,
)


def has_secret_name(name: str) -> bool:
    """Whether files of this *name* usually hold secrets; the folder and the case of the name do not matter."""
    basename = name.rpartition("/")[2].lower()
    return any(fnmatchcase(basename, one) for one in _SECRET_NAME_PATTERNS) and not any(
        fnmatchcase(basename, one) for one in _EXAMPLE_NAME_PATTERNS
    )


def contains_private_key(head: bytes) -> bool:
    """
    Whether a private key in PEM format begins in *head*, the first `HEAD_SIZE` bytes of a file.

    Its header is alone on a line, as in a key file or in YAML, or is followed by text that looks like a key, as in
    JSON. A program that only mentions the header does not count, and neither does a certificate.
    """
    return b"PRIVATE KEY" in head and _PRIVATE_KEY.search(head) is not None
