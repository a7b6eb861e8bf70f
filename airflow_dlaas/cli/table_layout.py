"""How wide the columns of a table are where it does not fit into a terminal. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

GAP = 1
"""Cells between two columns."""

MIN_CUT_WIDTH = 8
"""Cells of a column that is cut at least: enough to recognize a name."""


@dataclass(frozen=True, slots=True)
class ColumnSize:
    """The cells that a column needs for its longest text and for its longest word, and whether its texts may be cut."""

    natural: int
    minimal: int
    cut: bool = False

    @classmethod
    def of_texts(cls, texts: Sequence[str], *, cut: bool, whole: bool) -> ColumnSize:
        """Measure *texts*, the title among them; a column that is *whole* is never narrower than its longest text."""
        natural = max((cell_len(text) for text in texts), default=0)
        if cut:
            return cls(natural, min(natural, MIN_CUT_WIDTH), cut=True)
        words = (cell_len(word) for text in texts for word in text.split())
        return cls(natural, natural if whole else max(words, default=0))


def fit_widths(sizes: Sequence[ColumnSize], available: int | None) -> list[int]:
    """
    Return the width of each column, in cells.

    Columns that may be cut become narrower first, then those whose texts can continue on a further line; the widest one
    first. The result is wider than *available* cells if even that is not enough: nothing else is cut. None means that
    there is no limit.
    """
    widths = [one.natural for one in sizes]
    if available is None:
        return widths
    excess = sum(widths) + GAP * max(0, len(widths) - 1) - available
    for cut in (True, False):
        narrowable = [index for index, one in enumerate(sizes) if one.cut is cut]
        while excess > 0:
            candidates = [index for index in narrowable if widths[index] > sizes[index].minimal]
            if not candidates:
                break
            widths[max(candidates, key=lambda index: widths[index])] -= 1
            excess -= 1
    return widths


def cut_text(text: str, width: int, ellipsis: str) -> str:
    """Return *text*, cut to *width* cells with *ellipsis* at its end if it is longer."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - cell_len(ellipsis))).rstrip() + ellipsis
