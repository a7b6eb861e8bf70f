"""How long one tries."""

from __future__ import annotations

import pytest

from airflow_dlaas.storage.patience import NONE, Patience


def test_pauses_double_up_to_the_longest() -> None:
    pauses = Patience(attempts=6, first=1, longest=5).pauses(lambda: 1.0)
    assert list(pauses) == [1, 2, 4, 5, 5]


def test_chance_takes_at_most_half_of_a_pause() -> None:
    assert list(Patience(attempts=2, first=1).pauses(lambda: 0.0)) == [0.5]


@pytest.mark.parametrize("patience", [NONE, Patience(attempts=1)])
def test_one_attempt_has_no_pause(patience: Patience) -> None:
    assert not list(patience.pauses())
