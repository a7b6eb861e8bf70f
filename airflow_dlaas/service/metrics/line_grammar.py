"""
The grammar of a line of a log: a sequence of numbers, each after the text that names it.

    line     = { label number }
    label    = [ heading ":" ] ( position word | name of a metric | brackets only ) [ "=" | ":" ]
    number   = count | decimal | "nan" | "inf" , [ "%" | "/" count ]

`line_labels` reads a label; this module puts the numbers together. A number that is part of something else (a time,
date, version, size, file name, address) is no number of this grammar. The tests have a table of lines with their
values. Every repetition is bounded, so that the time is linear in the length of the line. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from airflow_dlaas.service.metrics.line_content import LineContent
from airflow_dlaas.service.metrics.line_labels import EPOCH, GLOBAL_STEP, MAX_LABEL_LENGTH, Label, read_label
from airflow_dlaas.service.metrics.metric_names import is_metric_name

_UNSIGNED = r"""(?:
    \d{1,3} (?:,\d{3}){1,5} (?:\.\d{1,40})?
  | (?: \d{1,40} (?: \.\d{0,40} | ,\d{1,40} )? | \.\d{1,40} ) (?: [eE][-+]?\d{1,4} )?
  | [nN][aA][nN] | [iI][nN][fF] (?: inity )?
)"""
_NUMBER = re.compile(
    rf"""
    (?= [-+.\dnNiI] ) (?<! [\w.+/@~?&-] ) (?<! \d[:,] )
    (?P<number> [-+]? {_UNSIGNED} )
    (?: (?P<percent> [ ]?% ) | [ ]?/[ ]{{0,6}} (?P<total>\d{{1,15}}) )?
    (?! [\w%] | [.:@/-]\w | ,\d )
    """,
    re.VERBOSE,
)
_NUMBER_START = re.compile(r"[-+.\dnNiI](?<![\w.+/@~?&-].)(?:(?<=[\dnNiI])|(?=[.\dnNiI]))")
"""Where a number may begin; the pattern begins with a set of characters, which makes the search fast."""

_WRAPPED_NUMBER = re.compile(
    r"(?:tensor|float\d\d|array)\((?P<number>[-+]?[\d.]{1,40}(?:e[-+]?\d{1,4})?|nan|-?inf)(?:,[^()]{0,80})?\)"
)
"""A number as PyTorch and NumPy print it: ``tensor(0.5, device='cuda:0')``, ``np.float64(0.5)``."""

_SETTINGS = re.compile(r"\((?<=\w\()(?=[^()=]{0,80}=)")
"""The parenthesis of an object that is printed with its settings: ``Namespace(lr=0.1``."""

_PARENTHESIS = re.compile(r"[()]")


class _Number(NamedTuple):
    label: Label
    value: float
    is_count: bool
    """Whether it is printed as a whole number, and is no percentage."""
    has_fraction: bool
    """Whether it may have a fraction: a decimal number, NaN, a percentage or a ratio."""
    total: int | None
    """The number after a slash."""


def parse_text(text: str) -> LineContent:
    """Return the content of the line *text*."""
    content = LineContent()
    heading = linked_name = ""
    positions: list[_Number] = []
    """Numbers that together are a position: of ``[1, 200]``, ``Epoch: [0][10/500]``, ``Train: 0 [50/1251 (4%)]``."""
    for number in _numbers(_without_objects(text) if "(" in text else text):
        label = number.label
        heading = label.phase or heading
        if label.position is not None:
            linked_name = label.name
            if label.position == EPOCH:
                positions = [number]
                content.set_epoch(number.value, is_fractional=not number.is_count)
            elif number.is_count:
                content.set_step(number.value, number.total, is_global=label.position == GLOBAL_STEP)
        elif not content.values and _continues_position(positions, number):
            positions.append(number)
        elif name := label.name or (linked_name if label.has_sign else ""):
            linked_name = ""
            if _is_value_of(name, number):
                content.add_value(heading, name, number.value / (number.total or 1))
        elif label.opens_bracket and number.is_count and number.total and content.step is None:
            content.set_step(number.value, number.total)  # ``loss: 0.5  [ 6400/60000]``
    _add_unnamed_position(content, positions)
    return content


def _numbers(text: str) -> Iterator[_Number]:
    end = 0
    for candidate in _NUMBER_START.finditer(text):
        start = candidate.start()
        found = _NUMBER.match(text, start) if start >= end else None
        if found is None:
            continue
        printed, percent, total = found.groups()
        label = read_label(text[max(end, start - MAX_LABEL_LENGTH) : start])
        end = found.end()
        if printed.isdigit():
            yield _Number(label, float(printed), not percent, bool(percent or total), int(total) if total else None)
        else:
            value = parse_number(printed)
            is_whole = printed.lstrip("+-").replace(",", "").isdigit() and value.is_integer()
            is_count = is_whole and not percent and value >= 0
            yield _Number(label, value, is_count, not is_whole, int(total) if total else None)


def _continues_position(positions: list[_Number], number: _Number) -> bool:
    """Return whether *number* has no name because it is a position, the first one of its line or after *positions*."""
    label = number.label
    if not number.is_count or len(positions) > 1:
        return False
    if not positions:
        return label.is_heading or (label.is_bare and label.opens_bracket)
    return label.is_bare and (label.opens_bracket or number.total is not None or positions[0].label.opens_bracket)


def _add_unnamed_position(content: LineContent, positions: list[_Number]) -> None:
    """Add *positions*: an epoch and a step, or a step alone in brackets."""
    if len(positions) == 2:
        epoch, step = positions
        content.set_epoch(epoch.value, is_fractional=not epoch.is_count)
        if content.step is None:
            content.set_step(step.value, step.total)
    elif positions and positions[0].label.opens_bracket and not content.has_position:
        content.set_step(positions[0].value, positions[0].total)


def _is_value_of(name: str, number: _Number) -> bool:
    """Return whether *number* is a value of a metric *name*; without a sign between them it must have a fraction."""
    return (number.label.has_sign or number.has_fraction) and is_metric_name(name, has_fraction=number.has_fraction)


def parse_number(text: str) -> float:
    """Return the number that a program printed as *text*: ``1,234.5`` has thousands, ``0,5`` a decimal comma."""
    if "," in text:
        whole, _, rest = text.partition(",")
        is_decimal = "," not in rest and "." not in rest and (len(rest) != 3 or whole.lstrip("+-0") == "")
        text = text.replace(",", "." if is_decimal else "")
    return float(text)


def _without_objects(text: str) -> str:
    """Return *text* without objects that are printed with their settings; of a tensor, its number stays."""
    if "float" in text or "tensor(" in text or "array(" in text:
        text = _WRAPPED_NUMBER.sub(r"\g<number>", text).replace("np.", "").replace("numpy.", "")
    kept: list[str] = []
    end = 0
    for found in _SETTINGS.finditer(text):
        if found.start() >= end:
            kept.append(text[end : found.start()])
            end = _closing_parenthesis(text, found.end())
    return ";".join((*kept, text[end:])) if kept else text


def _closing_parenthesis(text: str, start: int) -> int:
    """Return the end of the parenthesis that opens before *start*, or of *text*."""
    depth = 1
    for found in _PARENTHESIS.finditer(text, start):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return found.end()
    return len(text)
