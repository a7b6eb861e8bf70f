from __future__ import annotations

import logging

import pytest

from airflow_dlaas.exceptions import StoreRefused, StoreUnreachable
from airflow_dlaas.service.learner.storage_retry import with_storage_retry


def test_permanent_error_is_raised_at_once(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    def operation() -> None:
        raise StoreRefused("no")

    with pytest.raises(StoreRefused):
        with_storage_retry(operation, what="Loading", get_timeout=lambda: 900, logger=logger)
    assert caplog.messages == []


def test_transient_error_is_raised_after_the_timeout(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    def operation() -> None:
        raise StoreUnreachable("down")

    with pytest.raises(StoreUnreachable):
        with_storage_retry(operation, what="Loading", get_timeout=lambda: 0, logger=logger)
    assert caplog.messages == []


def test_retry_is_logged_with_cause_and_pause(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    answers = [StoreUnreachable("down"), None]

    def operation() -> str:
        if (error := answers.pop(0)) is not None:
            raise error
        return "loaded"

    assert with_storage_retry(operation, what="Loading", get_timeout=lambda: 900, logger=logger) == "loaded"
    assert caplog.record_tuples == [
        ("test", logging.WARNING, "Loading failed (down); retrying in 0.5 s (attempt 2)"),
    ]


def test_timeout_that_becomes_shorter_ends_a_pause_with_one_last_attempt(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    attempts, timeouts = 0, iter([900.0])

    def operation() -> None:
        nonlocal attempts
        attempts += 1
        raise StoreUnreachable("down")

    with pytest.raises(StoreUnreachable):
        with_storage_retry(operation, what="Loading", get_timeout=lambda: next(timeouts, 0.0), logger=logger)
    assert attempts == 2
    assert caplog.messages == ["Loading failed (down); retrying in 0.5 s (attempt 2)"]
