"""A training's log as records of a task's log: batches of plain lines, with the newest state of a progress bar."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from airflow_dlaas._util.terminal_text import plain_text


@dataclass(slots=True)
class PlainBatches:
    """
    Makes batches of a log plain text: no colours, control characters as escapes, of a redrawn line the newest state.

    A line that is redrawn over several batches appears in each of them, once, unless its state is the same.
    """

    _is_open: bool = False
    """Whether the last line of the batch before had no newline."""
    _state: str = ""
    """The text of that line, as it was returned."""

    def add(self, batch: str) -> str:
        """Return what is new in *batch*, which follows the batches before, without newlines at its end; maybe empty."""
        lines = plain_text(batch).split("\n")
        new = lines
        if self._is_open and self._repeats_state(batch.partition("\n")[0], lines[0]):
            new = lines[1:]
        if len(new) > 0:
            self._state = lines[-1]
        self._is_open = not batch.endswith("\n")
        return "\n".join(new).rstrip("\n")

    def _repeats_state(self, continuation: str, text: str) -> bool:
        """Return whether *continuation* of the last line, *text* as plain text, shows nothing new."""
        return not text or ("\r" in continuation and text == self._state)


async def batch_text(
    chunks: AsyncIterator[str], *, max_seconds: float, max_characters: int, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[str]:
    """Join *chunks* of text; yield a batch after *max_seconds*, or as soon as it has about *max_characters*."""
    batch: list[str] = []
    size = 0
    started_at = clock()
    upcoming: asyncio.Future[Any] | None = None
    try:
        while True:
            if upcoming is None:
                upcoming = asyncio.ensure_future(anext(chunks))
            left = max_seconds - (clock() - started_at) if batch else None
            done, _ = await asyncio.wait({upcoming}, timeout=left if left is None else max(0.0, left))
            if done:
                try:
                    chunk = upcoming.result()
                except StopAsyncIteration:
                    break
                finally:
                    upcoming = None
                if not batch:
                    started_at = clock()
                batch.append(chunk)
                size += len(chunk)
            if batch and (not done or size >= max_characters or clock() - started_at >= max_seconds):
                yield "".join(batch)
                batch, size = [], 0
        if batch:
            yield "".join(batch)
    finally:
        if upcoming is not None:
            # Awaited: *chunks* cannot be closed before this has stopped.
            upcoming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await upcoming
