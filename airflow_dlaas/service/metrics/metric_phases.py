"""Train or validation: told by a metric's name, by the folder of an event file, or by what the training says itself."""

from __future__ import annotations

import re

TRAIN, VALIDATION = "train", "validation"

_WORDS = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "test", "testing", "dev"), VALIDATION),
}

_LEADING = re.compile(rf"^(?P<word>{'|'.join(_WORDS)})[ _/.-]+(?P<rest>.*[A-Za-z].*)$", re.IGNORECASE)
_TRAILING = re.compile(rf"^(?P<rest>.*[A-Za-z].*)/(?P<word>{'|'.join(_WORDS)})$", re.IGNORECASE)
"""The way of PyTorch's tutorials: ``Loss/train``. Behind nothing but a slash: ``std_dev`` is no phase."""


def phase_of(word: str) -> str:
    """Give the usual word for a phase; one that is none of the usual stays."""
    return _WORDS.get(word.strip().lower(), word)


def split(phase: str, name: str) -> tuple[str, str]:
    """
    Tell phase and bare name apart: ``val_loss`` is ``loss`` of validation, and so is ``loss/val``.

    What the training says of the phase itself counts more than its name for the metric.
    """
    found = _LEADING.match(name) or _TRAILING.match(name)
    if phase:
        return phase_of(phase), found["rest"] if found and phase_of(found["word"]) == phase_of(phase) else name
    return (phase_of(found["word"]), found["rest"]) if found else ("", name)


def phase_of_folder(parts: tuple[str, ...]) -> str:
    """Tell the phase by the folders an event file lies in, the innermost first: Keras writes ``train/`` beside it."""
    return next((_WORDS[part.lower()] for part in reversed(parts) if part.lower() in _WORDS), "")
