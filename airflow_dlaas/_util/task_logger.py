"""The type of the loggers that the code of a running task writes to."""

from __future__ import annotations

from typing import Any, Protocol

from airflow_dlaas._util.retry import Logger


class TaskLogger(Logger, Protocol):
    """
    A `logging.Logger`, or the `log` of Airflow's operators, sensors and triggers, which is a structlog logger.

    *args* are put into *message* with ``%``. Never pass a secret or a URL with credentials.
    """

    def debug(self, message: Any, /, *args: Any) -> Any:
        """Log a detail."""

    def info(self, message: Any, /, *args: Any) -> Any:
        """Log progress."""

    def warning(self, message: Any, /, *args: Any, exc_info: Any = ...) -> Any:
        """Log a failure or a retry, with the traceback of the exception *exc_info*, if any."""

    def error(self, message: Any, /, *args: Any, exc_info: Any = ...) -> Any:
        """Log a failure that no retry follows, with the traceback of the exception *exc_info*, if any."""
