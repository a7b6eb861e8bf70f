"""What both sensors have in common: when a wait is over, in whichever process it goes on, and what is skipped then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

from airflow_dlaas.parameters.checked_operator import CheckedOperator
from airflow_dlaas.task_runs.deferrable import default_deferrable

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

DEFERRAL_TIMEOUT_MARGIN = 60.0
"""
Seconds after the deadline at which Airflow itself ends a deferred sensor.

The trigger ends the wait at the deadline, and says what was missing. This is for the time when no triggerer runs.
"""


class DeferrableSensor(CheckedOperator, BaseSensorOperator):
    """
    A sensor that may wait in the triggerer, with the same limits and endings as on a worker.

    ``timeout`` and ``execution_timeout`` both end it, deferred or not; the first as `AirflowSensorTimeout`, after which
    Airflow does not retry, the second as `AirflowTaskTimeout`, after which it does. With ``soft_fail`` or
    ``never_fail`` whatever would have failed the task skips it, in every mode. (Airflow's base class does so only for
    its own exceptions, for ``never_fail`` not at the timeout, and for neither at the end of a deferred wait.)

    :param deferrable: wait in the triggerer, without holding a worker. The default is Airflow's own,
        ``[operators] default_deferrable``.
    """

    def __init__(self, *, deferrable: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = default_deferrable() if deferrable is None else deferrable

    def defer_until(self, trigger: BaseTrigger, deadline: float, *, method_name: str) -> NoReturn:
        """Wait in the triggerer; *trigger* reports at the *deadline* (seconds since the epoch) at the latest."""
        self.defer(
            trigger=trigger, method_name=method_name, timeout=max(0.0, deadline - time.time()) + DEFERRAL_TIMEOUT_MARGIN
        )

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Finish the task with the event of its trigger."""
        raise NotImplementedError

    def resume(self, context: Context, event: Any = None) -> Any:
        """Finish a task that an earlier version deferred: its row in Airflow's database names this method."""
        return self.execute_complete(context, event)

    def deadline_from(self, start: float) -> float:
        """Return when a wait that began at *start* is over; both in seconds since the epoch."""
        return start + self.effective_timeout

    def timeout_error(self, message: str) -> BaseException:
        """Return the error for a wait that is over before what it waits for has happened."""
        from airflow_dlaas.hooks.compat import AirflowSensorTimeout, AirflowTaskTimeout

        return AirflowSensorTimeout(message) if self.effective_timeout == self.timeout else AirflowTaskTimeout(message)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Take up the task when its trigger has reported, or when Airflow has given it up."""
        from airflow_dlaas.hooks.compat import AirflowSensorTimeout, TaskDeferralTimeout

        with self.skip_on_failure():
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSensorTimeout as error:
                if not isinstance(error.__cause__, TaskDeferralTimeout):
                    raise
                raise self.timeout_error(
                    f"The sensor has timed out: {self.effective_timeout:g} s have passed, and its trigger has not "
                    "reported; is a triggerer running?"
                ) from error

    @contextmanager
    def skip_on_failure(self) -> Iterator[None]:
        """Skip the task, where the author asked for that, instead of failing it for an error in the block."""
        from airflow_dlaas.hooks.compat import AirflowRescheduleException, AirflowSkipException, AirflowTaskTimeout

        try:
            yield
        except (AirflowSkipException, AirflowRescheduleException):
            raise
        except (Exception, AirflowTaskTimeout) as error:
            if not (self.soft_fail or self.never_fail):
                raise
            asked = "soft_fail" if self.soft_fail else "never_fail"
            raise AirflowSkipException(f"Skipped because of {asked}=True: {error}") from error

    @property
    def effective_timeout(self) -> float:
        """Seconds that the wait may take."""
        if self.execution_timeout is None:
            return self.timeout
        return min(self.timeout, self.execution_timeout.total_seconds())
