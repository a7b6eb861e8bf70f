"""The phase of a metric, train or validation: from its name, the directory of an event file, or an explicit phase."""

from __future__ import annotations

import re

TRAIN, VALIDATION = "train", "validation"

_PHASE_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "test", "testing", "dev"), VALIDATION),
}

_PREFIX_PATTERN = re.compile(rf"^(?P<word>{'|'.join(_PHASE_NAMES)})[ _/.-]+(?P<rest>.*[A-Za-z].*)$", re.IGNORECASE)
_SUFFIX_PATTERN = re.compile(rf"^(?P<rest>.*[A-Za-z].*)/(?P<word>{'|'.join(_PHASE_NAMES)})$", re.IGNORECASE)
"""The convention of PyTorch's tutorials: ``Loss/train``. Only after a slash: ``std_dev`` has no phase."""


def normalize_phase(name: str) -> str:
    """Return the standard name of a phase; an unknown name stays."""
    return _PHASE_NAMES.get(name.strip().lower(), name)


def split_phase(phase: str, name: str) -> tuple[str, str]:
    """
    Return the phase and the name without it: ``val_loss`` is ``loss`` of validation, and so is ``loss/val``.

    An explicit *phase* takes precedence over the phase in *name*.
    """
    found = _PREFIX_PATTERN.match(name) or _SUFFIX_PATTERN.match(name)
    if phase:
        return normalize_phase(phase), found["rest"] if found and normalize_phase(found["word"]) == normalize_phase(
            phase
        ) else name
    return (normalize_phase(found["word"]), found["rest"]) if found else ("", name)


def phase_from_folders(folders: tuple[str, ...]) -> str:
    """
    Return the phase from the directories of an event file, innermost first; Keras writes ``train/`` and
    ``validation/``.
    """
    return next((_PHASE_NAMES[part.lower()] for part in reversed(folders) if part.lower() in _PHASE_NAMES), "")
