"""What a folder's `.dlaasignore` leaves out of its zip."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_dlaas.exceptions import InvalidBundle

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE_NAME = ".dlaasignore"


class IgnoreRules:
    """The patterns of one `.dlaasignore`, which mean what they mean in a `.gitignore`."""

    def __init__(self, spec: GitIgnoreSpec) -> None:
        self._spec = spec
        self._has_negation = any(pattern.include is False for pattern in spec.patterns)

    def ignores_file(self, file: str) -> bool:
        """Whether *file* stays out."""
        return self._spec.match_file(file)

    def ignores_folder(self, folder: str) -> bool:
        """
        Whether nothing below *folder* needs to be looked at.

        Where a pattern with ``!`` may take back a file, each is looked at; so it does take back one in an ignored
        folder, which git would not.
        """
        return not self._has_negation and self._spec.match_file(folder + "/")

    def ignores_folder_link(self, link: str) -> bool:
        """Whether *link*, which would be refused, stays out; ``link/`` names it as well as ``link``."""
        return self._spec.match_file(link) or self._spec.match_file(link + "/")


def read_ignore_rules(folder: Path) -> IgnoreRules | None:
    """
    Read the `.dlaasignore` of *folder*, or None where there is none.

    :raises InvalidBundle: it cannot be read: packing what was meant to stay out would be worse.
    """
    path = folder / IGNORE_FILE_NAME
    if not os.path.lexists(path):
        return None
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InvalidBundle(f"{path} is not UTF-8: save it as UTF-8, or remove it") from None
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be read: {error.strerror or error}") from error
    from pathspec import GitIgnoreSpec

    patterns: list[Any] = []  # of a class that has another name in each major version
    for number, line in enumerate(lines, 1):
        try:
            patterns += GitIgnoreSpec.from_lines([line]).patterns
        except (ValueError, re.error) as error:  # noqa: PERF203  (which line it is has to be said)
            raise InvalidBundle(f"{path}, line {number}: {line!r} is no pattern of a .gitignore: mend it") from error
    return IgnoreRules(GitIgnoreSpec(patterns))
