"""The common base of our sensors: deadlines in every process, and skipping instead of failing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

from airflow_dlaas.parameters.checked_operator import CheckedOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

DEFERRAL_TIMEOUT_MARGIN = 60.0
"""
Seconds after the deadline until Airflow itself ends a deferred sensor.

The trigger ends the wait at the deadline, with a message about what was missing. The margin is for the case that no
triggerer runs.
"""


class DeferrableSensor(CheckedOperator, BaseSensorOperator):
    """
    A sensor that can wait in the triggerer, with the same timeouts and final states as on a worker.

    ``timeout`` and ``execution_timeout`` both end the sensor, deferred or not: ``timeout`` by `AirflowSensorTimeout`,
    after which Airflow does not retry, and ``execution_timeout`` by `AirflowTaskTimeout`, after which Airflow retries.
    With ``soft_fail`` or ``never_fail`` every error skips the task instead, in every mode. (Airflow's base class skips
    only for its own exceptions, not for a timeout with ``never_fail``, and never at the end of a deferred wait.)

    :param deferrable: wait in the triggerer, and occupy no worker. The default is that of Airflow,
        ``[operators] default_deferrable``.
    """

    def __init__(self, *, deferrable: bool | None = None, **kwargs: Any) -> None:
        from airflow_dlaas.task_runs.deferrable import default_deferrable

        super().__init__(**kwargs)
        self.deferrable = default_deferrable() if deferrable is None else deferrable

    def defer_until(self, trigger: BaseTrigger, deadline: float, *, method_name: str) -> NoReturn:
        """Defer the task to *trigger*, which fires at the *deadline* (seconds since the epoch) at the latest."""
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
        """Return the deadline of a wait that began at *start*; both in seconds since the epoch."""
        return start + self.effective_timeout

    def timeout_error(self, message: str) -> BaseException:
        """Return the timeout error of this sensor: the one of the shorter of its two timeouts."""
        from airflow_dlaas.hooks.compat import AirflowSensorTimeout, AirflowTaskTimeout

        return AirflowSensorTimeout(message) if self.effective_timeout == self.timeout else AirflowTaskTimeout(message)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume the task after an event of its trigger, or after Airflow has ended the deferral."""
        from airflow_dlaas.hooks.compat import AirflowSensorTimeout, TaskDeferralTimeout

        with self.skip_on_failure():
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSensorTimeout as error:
                if not isinstance(error.__cause__, TaskDeferralTimeout):
                    raise
                raise self.timeout_error(
                    f"The sensor has timed out: {self.effective_timeout:g} s have passed without an event of its "
                    "trigger; is a triggerer running?"
                ) from error

    @contextmanager
    def skip_on_failure(self) -> Iterator[None]:
        """Skip the task for an error in the block, if ``soft_fail`` or ``never_fail`` is set."""
        from airflow_dlaas.hooks.compat import AirflowRescheduleException, AirflowSkipException, AirflowTaskTimeout

        try:
            yield
        except (AirflowSkipException, AirflowRescheduleException):
            raise
        except (Exception, AirflowTaskTimeout) as error:
            if not (self.soft_fail or self.never_fail):
                raise
            option = "soft_fail" if self.soft_fail else "never_fail"
            raise AirflowSkipException(f"Skipped because of {option}=True: {error}") from error

    @property
    def effective_timeout(self) -> float:
        """Seconds until this sensor times out: the shorter of ``timeout`` and ``execution_timeout``."""
        if self.execution_timeout is None:
            return self.timeout
        return min(self.timeout, self.execution_timeout.total_seconds())
