"""The phase of a metric, train or validation: from its name, the directory of an event file, or an explicit phase."""

from __future__ import annotations

import re
from functools import lru_cache

TRAIN, VALIDATION = "train", "validation"

_PHASE_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "test", "testing", "dev"), VALIDATION),
}

_PREFIX_PATTERN = re.compile(
    rf"^(?P<word>{'|'.join(_PHASE_NAMES)})(?:_(?P<index>\d{{1,3}}))?[ _/.-]+(?P<rest>.*[A-Za-z].*)$", re.IGNORECASE
)
"""``val_loss``, and with the number of a data set ``valid_1 auc``, as LightGBM and XGBoost print it."""
_SUFFIX_PATTERN = re.compile(rf"^(?P<rest>.*[A-Za-z].*)/(?P<word>{'|'.join(_PHASE_NAMES)})$", re.IGNORECASE)
"""The convention of PyTorch's tutorials: ``Loss/train``. Only after a slash: ``std_dev`` has no phase."""


def phase_of_word(word: str) -> str:
    """Return the phase that *word* names, in the standard form; empty if it names none."""
    return _PHASE_NAMES.get(word.lower(), "")


def normalize_phase(name: str) -> str:
    """Return the standard name of a phase; an unknown name stays."""
    return _PHASE_NAMES.get(name.strip().lower(), name)


@lru_cache(maxsize=4096)
def split_phase(phase: str, name: str) -> tuple[str, str]:
    """
    Return the phase and the name without it: ``val_loss`` is ``loss`` of validation, and so is ``loss/val``.

    An explicit *phase* takes precedence over the phase in *name*. The number of a second data set stays in the name:
    ``valid_1 auc`` is ``auc 1``.
    """
    found = _PREFIX_PATTERN.match(name) or _SUFFIX_PATTERN.match(name)
    if found is None:
        return normalize_phase(phase), name
    own_phase, rest = normalize_phase(found["word"]), found["rest"]
    if phase and normalize_phase(phase) != own_phase:
        return normalize_phase(phase), name
    index = found.groupdict().get("index")
    return own_phase, f"{rest} {index}" if index and int(index) else rest


def phase_from_folders(folders: tuple[str, ...], tag: str) -> str:
    """
    Return the phase of *tag* from the directories of its event file, innermost first.

    Keras writes ``train/`` and ``validation/``; PyTorch's ``add_scalars`` writes ``<tag>_train/`` and ``<tag>_val/``.
    """
    prefix = f"{tag.replace('/', '_')}_"
    return next((found for part in reversed(folders) if (found := phase_of_word(part.removeprefix(prefix)))), "")
