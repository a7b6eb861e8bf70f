from __future__ import annotations

from itertools import islice

import pytest

from airflow_dlaas.exceptions import StoreRefused, StoreUnreachable
from airflow_dlaas.service.learner.storage_retry import MAX_RETRY_DELAY, retry_delays, with_storage_retry


def test_pauses_grow_to_a_limit() -> None:
    given = list(islice(retry_delays(), 12))
    assert given == sorted(given)
    assert given[-1] == MAX_RETRY_DELAY


def test_an_error_that_will_not_pass_is_raised_at_once() -> None:
    def work() -> None:
        raise StoreRefused("no")

    with pytest.raises(StoreRefused):
        with_storage_retry(work, get_timeout=lambda: 900, say=lambda _: None)


def test_patience_can_run_out_at_once() -> None:
    said: list[str] = []

    def work() -> None:
        raise StoreUnreachable("down")

    with pytest.raises(StoreUnreachable):
        with_storage_retry(work, get_timeout=lambda: 0, say=said.append)
    assert said == []
