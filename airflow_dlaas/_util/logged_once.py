"""Warnings that are logged once for each subject, however often the subject is looked at."""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable

MAX_SUBJECTS = 10_000
"""Subjects that are remembered; after as many all are forgotten, and each may be logged once more."""


class LoggedOnce:
    """Thread-safe; one for each kind of warning."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._logged_subjects: set[Hashable] = set()

    def warning(self, subject: Hashable, message: str, *args: object, exc_info: BaseException | None = None) -> None:
        """Log *message* unless one was logged for *subject* before."""
        with self._lock:
            if subject in self._logged_subjects:
                return
            if len(self._logged_subjects) >= MAX_SUBJECTS:
                self._logged_subjects.clear()
            self._logged_subjects.add(subject)
        self._log.warning(message, *args, exc_info=exc_info)
