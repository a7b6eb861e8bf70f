"""
Lines that hold a JSON object or a printed dict, also behind a prefix: ``INFO:root:{"loss": 0.5, "step": 3}``.

Nested objects are read up to a limit; the key of an outer one may be the phase. Pure functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from airflow_dlaas.service.metrics.line_content import LineContent
from airflow_dlaas.service.metrics.line_labels import EPOCH, GLOBAL_STEP, position_kind
from airflow_dlaas.service.metrics.metric_names import is_metric_name
from airflow_dlaas.service.metrics.metric_phases import phase_of_word

MAX_DEPTH = 4
"""Levels of nested objects that are read."""

MAX_NUMBER_LENGTH = 40
"""Characters of a text that may be a number."""

MAX_NAME_LENGTH = 100
"""Characters of a name that are kept."""

_START = re.compile(r"""\{\s{0,4}["']""")
_PYTHON = re.compile(
    r""""(?:[^"\\]|\\.)*"|'(?P<text>(?:[^'\\]|\\.)*)'|\b(?P<word>None|True|False)\b|(?P<sign>-?)\b(?P<float>nan|inf)\b"""
    r"|\b(?:np\.|numpy\.)?float\d\d\((?P<wrapped>[^()]{1,40})\)"
)
_JSON_WORDS = {"None": "null", "True": "true", "False": "false", "nan": "NaN", "inf": "Infinity"}
_decoder = json.JSONDecoder()


def parse_record(text: str) -> LineContent | None:
    """Return the content of the object in *text*; None if there is none, or it cannot be read."""
    start = _START.search(text)
    if start is None:
        return None
    text = text[start.start() :]
    record = _decode(text) if start[0][-1] == '"' else _decode_printed(text)
    if not isinstance(record, dict):
        return None
    content = LineContent()
    for path, value in _leaves(record, ()):
        number = value if type(value) is float else _number(value)
        if number is not None:
            _add(content, path, number, is_fractional=not number.is_integer() or "." in str(value))
    return content


def _decode(text: str) -> Any:
    try:
        return _decoder.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _decode_printed(text: str) -> Any:
    """Return the dict that Python printed as *text*."""
    record = None if '"' in text else _decode(text.replace("'", '"'))
    return _decode(_PYTHON.sub(_as_json, text)) if record is None else record


def _as_json(found: re.Match[str]) -> str:
    """Return a token of a printed dict as it is in JSON."""
    if found["text"] is not None:
        return json.dumps(found["text"])
    if found["float"] is not None:
        return (found["sign"] if found["float"] == "inf" else "") + _JSON_WORDS[found["float"]]
    return _JSON_WORDS[found["word"]] if found["word"] else found["wrapped"] or found[0]


def _leaves(record: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in record.items():
        if isinstance(value, dict):
            if len(path) < MAX_DEPTH - 1:
                yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _add(content: LineContent, path: tuple[str, ...], number: float, *, is_fractional: bool) -> None:
    """Add the number at *path*: a position, a value, or nothing."""
    kind, phase, name = _read_path(path)
    if kind == EPOCH:
        content.set_epoch(number, is_fractional=is_fractional)
    elif kind is not None:
        content.set_step(number, is_global=kind == GLOBAL_STEP)
    elif is_metric_name(name, has_fraction=is_fractional):
        content.add_value(phase, name, number)


@lru_cache(maxsize=1024)
def _read_path(path: tuple[str, ...]) -> tuple[str | None, str, str]:
    """Return what the number at *path* counts, and else its phase and name."""
    phase = next((found for key in reversed(path[:-1]) if (found := phase_of_word(key))), "")
    name = "/".join((*(key for key in path[:-1] if not phase_of_word(key)), path[-1]))
    return position_kind(path[-1]), phase, replace_surrogates(name[:MAX_NAME_LENGTH])


def _number(value: Any) -> float | None:
    """Return the number *value*, which may be a text; None if it is none, or too large."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > MAX_NUMBER_LENGTH:
        return None
    try:
        return float(value)
    except ValueError:
        return None


def replace_surrogates(name: str) -> str:
    """Return *name* as valid UTF-8: JSON may contain half of a surrogate pair."""
    return name.encode(errors="replace").decode()
