"""Progress bars in a log: of tqdm, of Keras, and of programs that print a percentage. Pure functions."""

from __future__ import annotations

import re
from typing import NamedTuple

_TQDM = re.compile(
    r"""
    (?: (?P<percent>\d{1,3}) % \| [^|]{0,400} \| [ ]{0,12} | (?<!\w) )
    (?: (?P<done>\d{1,15}) / (?P<total>\d{1,15}) | (?P<count>\d{1,15}) \w{2,12} )
    [ ] \[ (?: \d{1,4}: )? \d\d:\d\d (?= [<,] )
    """,
    re.VERBOSE,
)
"""``12/50 [00:01<00:03, 9.9it/s, loss=0.5]``, with or without a bar before it; ``12it [00:01, …`` without a total."""

_BAR = re.compile(r"(?P<percent>\d{1,3})%\|[^|]{0,400}\|")
"""Other bars of tqdm: with units (``1.2M/3.4M``), or of another form."""

_KERAS = re.compile(r"\s{0,8}(?P<done>\d{1,15})/(?P<total>\d{1,15})\s")
_PERCENT = re.compile(r"\s{0,8}(?P<percent>\d{1,3})(?:\.\d{1,3})?%(?!\w)")

TQDM, KERAS, PERCENT = "tqdm", "keras", "percent"


class ProgressBar(NamedTuple):
    """What a line shows of a progress bar."""

    kind: str
    done: int
    total: int | None
    text: str
    """The line without the bar's own numbers."""

    @property
    def is_complete(self) -> bool:
        """Whether the bar has reached its end."""
        return self.done == self.total


def find_bar(text: str) -> ProgressBar | None:
    """Return the progress bar in *text*, or None."""
    if "/" in text and (found := _KERAS.match(text)) and not _TQDM.match(text, found.start("done")):
        return ProgressBar(KERAS, int(found["done"]), int(found["total"]), text[found.end() :])
    has_bar = "%|" in text
    if (has_bar or "<" in text or "it [" in text) and (found := _TQDM.search(text)):
        total = int(found["total"]) if found["total"] else None
        done = int(found["done"] or found["count"])
        return ProgressBar(TQDM, done, total, _around(text, found))
    if has_bar and (found := _BAR.search(text)):
        return ProgressBar(TQDM, int(found["percent"]), 100, _around(text, found))
    if "%" in text and (found := _PERCENT.match(text)):
        return ProgressBar(PERCENT, int(found["percent"]), 100, text[found.end() :])
    return None


def _around(text: str, found: re.Match[str]) -> str:
    """Return the description before a bar, and what the bar shows after its numbers."""
    return f"{text[: found.start()].rstrip(': ')}; {text[found.end() :]}"
