"""
What the text before a number in a line of a log states about the number.

``Epoch [`` before 2 makes it an epoch, ``, Loss: `` before 0.15 a value of the metric "Loss". A training prints the
same text before each of its numbers, so `read_label` is cached. Pure functions.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from airflow_dlaas.service.metrics.metric_names import is_metric_name
from airflow_dlaas.service.metrics.metric_phases import phase_of_word

MAX_LABEL_LENGTH = 120
"""Characters before a number that are read."""

MAX_NAME_WORDS = 4

EPOCH, STEP, GLOBAL_STEP = "epoch", "step", "global_step"

STEP_KEYS = {
    "global_step": GLOBAL_STEP,
    "num_updates": GLOBAL_STEP,
    "step": STEP,
    "steps": STEP,
    "iteration": STEP,
    "iterations": STEP,
    "iter": STEP,
    "iters": STEP,
    "batch": STEP,
    "minibatch": STEP,
    "mini-batch": STEP,
    "episode": STEP,
    "round": STEP,
    "epoch": EPOCH,
}
"""Words before a position in the training, in lower case, and what they count."""

_LINKS = frozenset({"at", "after", "for", "in", "of", "on", "during"})
"""Between a metric and its position: ``Loss at step 100: 0.5``."""

_LIMITS = frozenset({"max", "maximum", "num", "number", "total", "per", "best", "every", "warmup", "last", "all"})
"""Before a word such as ``epoch``: the number is a setting or a result, and no position."""

_VERBS = frozenset({"is", "was", "now"})
"""Between a name and its number: ``the loss is 0.5``."""

_STOP_WORDS = frozenset(
    """
    a an and as by far from got has its model new reached saved saving so the then to while with current
    epoch step iteration
    """.split()  # noqa: SIM905 - as a list, each word would have its own line
).union(_LINKS, _VERBS)
"""Words that end a name: ``model saved with loss`` is named "loss"."""

_NAME_WORD = re.compile(r"[A-Za-z_][\w@./%#+-]*(?:\([\w%@]{1,12}\))?")
_POSITION_WORD = re.compile(
    r"(?:(?:trainer|train|training|val|valid|validation|eval|test|dev)[/_])?(?P<key>[a-z_-]{4,11})(?:\((?P<mode>\w{1,12})\))?",
    re.IGNORECASE,
)
_BREAK = re.compile(r"""[,;|{}\[\]:="\t]|(?<!\w)[('*]|['*](?!\w)|\)(?=\W)|[ ][-\u2013\u2014>][ ]""")
_GROUP = re.compile(r"[ ]\([^()=:]{0,80}\)")
_PHASE_GROUP = re.compile(r"[ ]\((?P<phase>[A-Za-z]{2,12})\)$")
"""``Loss (train)``"""
_OPENING = "[(\"'"


class Label(NamedTuple):
    """The meaning of the text before a number."""

    position: str | None = None
    """`EPOCH`, `STEP` or `GLOBAL_STEP` if the number is a position."""
    name: str = ""
    """The last words before the number; with a `position`, the name of the metric that the position belongs to."""
    has_sign: bool = False
    """Whether an equals sign, a colon or an arrow is between the name and the number."""
    phase: str = ""
    """The phase that the text states for what follows: of ``Test set: Average loss:``, and of ``Train Epoch:``."""
    is_heading: bool = False
    """Whether the last words state the phase: of ``Train: [``."""
    is_bare: bool = False
    """Whether the text has no words: the number continues the one before it."""
    opens_bracket: bool = False
    """Whether the number is in square brackets."""


@lru_cache(maxsize=1024)
def read_label(text: str) -> Label:
    """Return what *text*, at most `MAX_LABEL_LENGTH` characters before a number, states about it."""
    head = text.rstrip()
    opens_bracket = False
    while head and head[-1] in _OPENING:
        opens_bracket |= head[-1] == "["
        head = head[:-1].rstrip()
    has_sign = head.endswith(("=", ":", "->", "=>"))
    if has_sign:
        head = head.rstrip("=:-> \t").rstrip("\"' \t")
    head = head.rstrip("#*").rstrip()
    phase = ""
    if (group := _PHASE_GROUP.search(head)) and (phase := phase_of_word(group["phase"])):
        head = head[: group.start()]
    *before, last = _BREAK.split(_GROUP.sub("", head))
    words = last.split()
    phase = phase or next((found for part in reversed(before) if (found := _stated_phase(part.split()))), "")
    if not words:
        is_bare = not any(part.strip() for part in before)
        return Label(has_sign=has_sign, phase=phase, is_bare=is_bare, opens_bracket=opens_bracket)
    position, mode = _position(words)
    if position is not None:
        rest = words[:-1]
        is_linked = bool(rest) and rest[-1].lower() in _LINKS
        phase = mode or _first_phase(rest) or phase
        return Label(position, _name(rest[:-1]) if is_linked else "", has_sign, phase, opens_bracket=opens_bracket)
    name, stated = _name_and_phase(words)
    is_heading = bool(stated) and not is_metric_name(name) and (has_sign or opens_bracket)
    return Label(None, name, has_sign, stated or phase, is_heading=is_heading, opens_bracket=opens_bracket)


def position_kind(word: str) -> str | None:
    """Return what *word* counts: `EPOCH`, `STEP` or `GLOBAL_STEP`; None if it counts no position."""
    found = _POSITION_WORD.fullmatch(word)
    return STEP_KEYS.get(found["key"].lower()) if found else None


def _position(words: list[str]) -> tuple[str | None, str]:
    """Return what the last of *words* counts, if it counts a position, and the phase in parentheses after it."""
    kind = position_kind(words[-1])
    before = words[-2].lower() if len(words) > 1 else ""
    if kind is None or before in _LIMITS:
        return None, ""
    _, _, mode = words[-1].partition("(")
    return (GLOBAL_STEP if before == "global" and kind is STEP else kind), phase_of_word(mode.rstrip(")"))


def _name(words: list[str]) -> str:
    """Return the name at the end of *words*: up to four words, none of which ends a name."""
    if words[-1:] and words[-1].lower() in _VERBS:
        words = words[:-1]
    taken: list[str] = []
    for word in reversed(words[-MAX_NAME_WORDS:]):
        plain = word.removesuffix("'s")
        if not _NAME_WORD.fullmatch(plain) or word.lower() in _STOP_WORDS:
            break
        taken.append(plain)
    return " ".join(reversed(taken))


def _name_and_phase(words: list[str]) -> tuple[str, str]:
    """
    Return the name that *words* end with, and the phase that they state for what follows.

    A metric may stand before what it was measured on: ``Accuracy on test set``.
    """
    name = _name(words)
    if is_metric_name(name):
        return name, ""
    link = next((index for index, word in enumerate(words) if word.lower() in _LINKS), 0)
    measured = _name(words[:link])
    return (measured, _first_phase(words[link:])) if is_metric_name(measured) else (name, _stated_phase(words))


def _first_phase(words: list[str]) -> str:
    return next((found for word in words if (found := phase_of_word(word))), "")


def _stated_phase(words: list[str]) -> str:
    """Return the phase that a heading of *words* states: of ``Test set``, ``train`` and ``INFO Train``."""
    return _first_phase([words[0], words[-1]]) if 0 < len(words) <= MAX_NAME_WORDS else ""
