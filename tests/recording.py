"""Loggers whose messages a test reads while the code under test still runs."""

from __future__ import annotations

import logging
from collections.abc import Callable


class _CallbackHandler(logging.Handler):
    def __init__(self, record: Callable[[str], object]) -> None:
        super().__init__()
        self._record = record

    def emit(self, record: logging.LogRecord) -> None:
        self._record(record.getMessage())


def recording_logger(record: Callable[[str], object]) -> logging.Logger:
    """Return a logger of its own that passes each message to *record*, and each log record to `caplog` too."""
    logger = logging.Logger("tests.recording", logging.DEBUG)  # noqa: LOG001 - `getLogger` would share it among tests
    logger.parent = logging.getLogger(__name__)
    logger.addHandler(_CallbackHandler(record))
    return logger
