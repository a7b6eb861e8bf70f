"""Train or validation: told by a metric's name, by the folder of an event file, or by what the training says itself."""

from __future__ import annotations

import re

TRAIN, VALIDATION = "train", "validation"

_PHASE_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "test", "testing", "dev"), VALIDATION),
}

_PREFIX_PATTERN = re.compile(rf"^(?P<word>{'|'.join(_PHASE_NAMES)})[ _/.-]+(?P<rest>.*[A-Za-z].*)$", re.IGNORECASE)
_SUFFIX_PATTERN = re.compile(rf"^(?P<rest>.*[A-Za-z].*)/(?P<word>{'|'.join(_PHASE_NAMES)})$", re.IGNORECASE)
"""The way of PyTorch's tutorials: ``Loss/train``. Behind nothing but a slash: ``std_dev`` is no phase."""


def normalize_phase(name: str) -> str:
    """Give the usual word for a phase; one that is none of the usual stays."""
    return _PHASE_NAMES.get(name.strip().lower(), name)


def split_phase(phase: str, name: str) -> tuple[str, str]:
    """
    Tell phase and bare name apart: ``val_loss`` is ``loss`` of validation, and so is ``loss/val``.

    What the training says of the phase itself counts more than its name for the metric.
    """
    found = _PREFIX_PATTERN.match(name) or _SUFFIX_PATTERN.match(name)
    if phase:
        return normalize_phase(phase), found["rest"] if found and normalize_phase(found["word"]) == normalize_phase(
            phase
        ) else name
    return (normalize_phase(found["word"]), found["rest"]) if found else ("", name)


def phase_from_folders(folders: tuple[str, ...]) -> str:
    """Tell the phase by the folders an event file lies in, the innermost first: Keras writes ``train/`` beside it."""
    return next((_PHASE_NAMES[part.lower()] for part in reversed(folders) if part.lower() in _PHASE_NAMES), "")
