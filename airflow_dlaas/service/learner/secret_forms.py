"""
The forms in which a command's output may have a secret: as it is, quoted, and in two encodings. No I/O.

A log cannot be masked completely: a command can print a secret in any other form (reversed, hashed, letter by letter).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from airflow_dlaas.contract.environment import MIN_SECRET_LENGTH

BASE64_LINE_LENGTH = 76
"""Characters of a line of base64, as the program ``base64`` and MIME break it."""

_SKIPPED_CHARACTERS = (0, 2, 3)
"""Characters of base64 that depend on what precedes a value, by the number of bytes before it, modulo three."""


def secret_forms(values: Iterable[str]) -> tuple[bytes, ...]:
    """
    Return what is masked for the secrets *values*: each form once, the longest first.

    A secret of several lines, such as a private key, is masked as a whole, and each of its lines that has at least
    `MIN_SECRET_LENGTH` characters. A form that is shorter than that is left out.
    """
    found: set[bytes] = set()
    for value in map(str.strip, values):
        found.update(form.encode("utf-8", "surrogateescape") for form in _text_forms(value))
        found.update(_base64_forms(value.encode("utf-8", "surrogateescape")))
    return tuple(sorted((one for one in found if len(one) >= MIN_SECRET_LENGTH), key=lambda one: (-len(one), one)))


def _text_forms(value: str) -> Iterator[str]:
    yield value
    lines = value.splitlines()
    if len(lines) > 1:
        yield "\n".join(lines)
        yield "\r\n".join(lines)
        yield from (line.strip() for line in lines if len(line.strip()) >= MIN_SECRET_LENGTH)
    # In the output of `print(os.environ)`, `json.dumps`, `set -x` and `export -p`.
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield value.replace("'", "'\\''")
    yield re.sub(r'(["$`\\])', r"\\\1", value)
    # In URLs and forms.
    yield from (quote(value, safe="", errors="replace"), quote(value, errors="replace"))
    yield quote_plus(value, errors="replace")


def _base64_forms(value: bytes) -> Iterator[bytes]:
    """
    Yield the characters of base64 that depend on *value* only, wherever in a longer text it is.

    A line of base64 that is broken after `BASE64_LINE_LENGTH` characters is known only if it begins with *value*.
    """
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before, skipped in enumerate(_SKIPPED_CHARACTERS):
            encoded = encode(b"\0" * before + value).rstrip(b"=")
            end = len(encoded) if (before + len(value)) % 3 == 0 else -1  # the last one depends on what follows
            yield encoded[skipped:end]
        lines = encode(value)
        if len(lines) > BASE64_LINE_LENGTH:
            yield from (lines[start : start + BASE64_LINE_LENGTH] for start in range(0, len(lines), BASE64_LINE_LENGTH))
