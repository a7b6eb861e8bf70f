"""Operations on a body that passes through: chunks in, chunks out."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def with_action(chunks: Iterator[bytes], offset: int, action: Callable[[], None]) -> Iterator[bytes]:
    """Yield the same bytes; call *action* when the first *offset* of them were taken, and never if there are fewer."""
    passed = 0
    if offset == 0:
        action()
    for chunk in chunks:
        if passed < offset <= passed + len(chunk):
            yield chunk[: offset - passed]
            action()
            if offset < passed + len(chunk):
                yield chunk[offset - passed :]
        else:
            yield chunk
        passed += len(chunk)


def flip_bit(chunks: Iterator[bytes], offset: int, action: Callable[[], None]) -> Iterator[bytes]:
    """Yield the same bytes with one bit of the byte at *offset* flipped; call *action* directly before it."""
    passed = 0
    for chunk in chunks:
        if passed <= offset < passed + len(chunk):
            action()
            changed = bytearray(chunk)
            changed[offset - passed] ^= 1
            yield bytes(changed)
        else:
            yield chunk
        passed += len(chunk)


def delay_last(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield each chunk when the next one has arrived: if the input ends with an error, the last chunk is lost."""
    last = b""
    for chunk in chunks:
        if last:
            yield last
        last = chunk
    if last:
        yield last


def limit_rate(chunks: Iterator[bytes], rate: int, pause: Callable[[float], None]) -> Iterator[bytes]:
    """Yield the same bytes at *rate* bytes a second, in twenty steps a second."""
    step = max(1, rate // 20)
    for chunk in chunks:
        for start in range(0, len(chunk), step):
            step_bytes = chunk[start : start + step]
            pause(len(step_bytes) / rate)
            yield step_bytes
