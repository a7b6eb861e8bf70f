"""A few random rounds; ``python -m tests.chaos.service --rounds 500`` runs many."""

from __future__ import annotations

import pytest

from tests.chaos.service.rounds import Chaos


@pytest.mark.parametrize("seed", [1])
def test_random_rounds_violate_no_invariant(own_customer, seed):
    chaos = Chaos(own_customer, seed)
    chaos.run(30)
    print(chaos.summary())  # noqa: T201 - figures to read
    assert not chaos.violations
