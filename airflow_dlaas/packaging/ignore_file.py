"""`.dlaasignore`: the files of a folder that are left out of its archive."""

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
    """The patterns of one `.dlaasignore`, with the syntax and the meaning of a `.gitignore`."""

    def __init__(self, spec: GitIgnoreSpec) -> None:
        self._spec = spec
        self._has_negation = any(pattern.include is False for pattern in spec.patterns)

    def ignores_file(self, file: str) -> bool:
        """Whether *file* is left out."""
        return self._spec.match_file(file)

    def ignores_folder(self, folder: str) -> bool:
        """
        Whether all files below *folder* are left out, so that the folder need not be read.

        If a pattern with ``!`` may include a file again, each file is checked. So such a pattern includes a file in an
        ignored folder again, which git does not do.
        """
        return not self._has_negation and self._spec.match_file(folder + "/")

    def ignores_folder_link(self, link: str) -> bool:
        """Whether *link* to a folder, otherwise an error, is left out; the patterns ``link`` and ``link/`` match it."""
        return self._spec.match_file(link) or self._spec.match_file(link + "/")


def read_ignore_rules(folder: Path) -> IgnoreRules | None:
    """
    Read the `.dlaasignore` of *folder*; return None if there is none.

    :raises InvalidBundle: it cannot be read. Nothing is packed then, so that no file is packed by mistake.
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

    patterns: list[Any] = []  # their class has another name in each major version of pathspec
    for number, line in enumerate(lines, 1):
        try:
            patterns += GitIgnoreSpec.from_lines([line]).patterns
        except (ValueError, re.error) as error:  # noqa: PERF203  (the error names the line)
            raise InvalidBundle(
                f"{path}, line {number}: {line!r} is not a valid pattern of a .gitignore: correct it"
            ) from error
    return IgnoreRules(GitIgnoreSpec(patterns))
