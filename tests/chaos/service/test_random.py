"""Chaos by chance: a few rounds here; ``python -m tests.chaos.service --rounds 500`` for many."""

from __future__ import annotations

import pytest

from tests.chaos.service.rounds import Chaos


@pytest.mark.parametrize("seed", [1])
def test_whatever_happens_in_whatever_order_every_answer_is_kept(own_customer, seed):
    chaos = Chaos(own_customer, seed)
    chaos.run(30)
    print(chaos.summary())  # noqa: T201 - figures to read
    assert not chaos.broken
