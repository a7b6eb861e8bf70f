"""Reading files that grow: whole lines, in pieces of bounded size, from where one left off."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.service.regular_file import open_regular_file

CHUNK_SIZE = 64 * 1024
"""Bytes of one piece at most; a line longer than that comes in several."""

MAX_TAIL_BYTES = 16 * 1024**2
"""How far back the last lines are looked for; if they are longer than that, fewer come."""


@dataclass(slots=True)
class FileFollower:
    """One reader of one file, which need not be there yet; ``offset`` is the byte it reads next."""

    path: Path
    offset: int = 0
    may_have_more: bool = False
    """Whether the last read took as much as one read may, so that there may be more at once."""

    def read(self, *, ended: bool) -> bytes:
        """
        Read the next piece; empty when there is nothing more for now.

        A line without its newline is kept back, unless the file has *ended* or the line fills a piece by itself.
        """
        try:
            with open_regular_file(self.path) as file:
                file.seek(self.offset)
                piece = file.read(CHUNK_SIZE)
        except FileNotFoundError:
            self.may_have_more = False
            return b""
        self.may_have_more = len(piece) == CHUNK_SIZE
        if not ended or self.may_have_more:
            whole = piece.rfind(b"\n") + 1
            piece = piece[:whole] if whole or len(piece) < CHUNK_SIZE else piece[: _utf8_boundary(piece)]
        self.offset += len(piece)
        return piece


def tail_offset(path: Path, lines: int) -> int:
    """Say at which byte the last *lines* lines of *path* begin; a begun line at the end counts as one."""
    try:
        with open_regular_file(path) as file:
            end = file.seek(0, 2)
            if lines == 0:
                return end
            start, pieces, seen = end, deque[bytes](), 0
            # One more newline than lines: the one before the first of them. The last byte ends a line, it begins none.
            while start > 0 and end - start < MAX_TAIL_BYTES and seen < lines:
                begin = max(0, start - CHUNK_SIZE)
                file.seek(begin)
                piece = file.read(start - begin)
                seen += piece.count(b"\n") - (start == end and piece.endswith(b"\n"))
                pieces.appendleft(piece)
                start = begin
            found = b"".join(pieces)
    except FileNotFoundError:
        return 0
    place = len(found) - 1
    for _ in range(lines):
        place = found.rfind(b"\n", 0, max(place, 0))
        if place < 0:
            return start
    return start + place + 1


def _utf8_boundary(piece: bytes) -> int:
    """Where to cut *piece* so that no UTF-8 character is split."""
    for back in range(1, 5):
        if piece[-back] & 0b1100_0000 != 0b1000_0000:  # not a continuation byte: the last character begins here
            width = 1 if piece[-back] < 0x80 else 2 if piece[-back] < 0xE0 else 3 if piece[-back] < 0xF0 else 4
            return len(piece) if width <= back else len(piece) - back
    return len(piece)
