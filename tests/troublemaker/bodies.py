"""What can be done to a body on its way: pieces in, pieces out."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def marked(pieces: Iterator[bytes], mark: int, deed: Callable[[], None]) -> Iterator[bytes]:
    """The same bytes, with *deed* done when the first *mark* of them were taken; never where there are fewer."""
    gone = 0
    if mark == 0:
        deed()
    for piece in pieces:
        if gone < mark <= gone + len(piece):
            yield piece[: mark - gone]
            deed()
            if mark < gone + len(piece):
                yield piece[mark - gone :]
        else:
            yield piece
        gone += len(piece)


def flipped(pieces: Iterator[bytes], at: int, deed: Callable[[], None]) -> Iterator[bytes]:
    """The same but for one bit of the byte at *at*; *deed* is done just before."""
    gone = 0
    for piece in pieces:
        if gone <= at < gone + len(piece):
            deed()
            spoiled = bytearray(piece)
            spoiled[at - gone] ^= 1
            yield bytes(spoiled)
        else:
            yield piece
        gone += len(piece)


def late(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same, each piece only once the next is there: where they break off, the last is lost."""
    held = b""
    for piece in pieces:
        if held:
            yield held
        held = piece
    if held:
        yield held


def slowed(pieces: Iterator[bytes], rate: int, pause: Callable[[float], None]) -> Iterator[bytes]:
    """The same at *rate* bytes a second, in twenty steps a second."""
    step = max(1, rate // 20)
    for piece in pieces:
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            pause(len(part) / rate)
            yield part
