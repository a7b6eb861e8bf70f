from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.service.data_cache.verified_mark import DURABLE_NS, SECOND_NS, boot_mark_ns, is_mark


@given(st.text())
def test_mark_of_a_boot_is_a_mark_and_not_the_durable_one(boot_id: str) -> None:
    assert is_mark(boot_mark_ns(boot_id))
    assert boot_mark_ns(boot_id) != DURABLE_NS


@given(st.text())
def test_mark_survives_file_systems_that_keep_even_seconds(boot_id: str) -> None:
    assert boot_mark_ns(boot_id) % (2 * SECOND_NS) == 0


@given(st.datetimes(min_value=datetime(2010, 1, 1)))  # noqa: DTZ001  (hypothesis takes times without a zone)
def test_no_write_of_today_makes_a_mark(now: datetime) -> None:
    assert not is_mark(int(now.timestamp()) * SECOND_NS)


def test_boots_have_different_marks() -> None:
    assert len({boot_mark_ns(f"boot {number}") for number in range(100)}) == 100
