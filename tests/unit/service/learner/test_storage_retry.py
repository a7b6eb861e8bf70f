from __future__ import annotations

from itertools import islice

import pytest

from airflow_dlaas.exceptions import StoreRefused, StoreUnreachable
from airflow_dlaas.service.learner.storage_retry import LONGEST_PAUSE, patiently, pauses


def test_pauses_grow_to_a_limit() -> None:
    given = list(islice(pauses(), 12))
    assert given == sorted(given)
    assert given[-1] == LONGEST_PAUSE


def test_an_error_that_will_not_pass_is_raised_at_once() -> None:
    def work() -> None:
        raise StoreRefused("no")

    with pytest.raises(StoreRefused):
        patiently(work, patience=lambda: 900, say=lambda _: None)


def test_patience_can_run_out_at_once() -> None:
    said: list[str] = []

    def work() -> None:
        raise StoreUnreachable("down")

    with pytest.raises(StoreUnreachable):
        patiently(work, patience=lambda: 0, say=said.append)
    assert said == []
