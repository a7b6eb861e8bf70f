"""How long one tries."""

from __future__ import annotations

import pytest

from airflow_dlaas.storage.patience import NO_RETRY, RetryPolicy


def test_pauses_double_up_to_the_longest() -> None:
    pauses = RetryPolicy(attempts=6, initial_delay=1, max_delay=5).delays(lambda: 1.0)
    assert list(pauses) == [1, 2, 4, 5, 5]


def test_chance_takes_at_most_half_of_a_pause() -> None:
    assert list(RetryPolicy(attempts=2, initial_delay=1).delays(lambda: 0.0)) == [0.5]


@pytest.mark.parametrize("patience", [NO_RETRY, RetryPolicy(attempts=1)])
def test_one_attempt_has_no_pause(patience: RetryPolicy) -> None:
    assert not list(patience.delays())
