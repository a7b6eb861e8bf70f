"""Redrawn lines: which states are written, and when."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from airflow_dlaas._util.terminal_text import collapse_redraws
from airflow_dlaas.service.learner.redraws import MAX_STATE_BYTES, REDRAW_INTERVAL, RedrawThinner


def written(*outputs: bytes, interval: float = 0.0) -> list[bytes]:
    """Return what is written for each of *outputs*, which are printed *interval* seconds apart."""
    thinner = RedrawThinner()
    return [thinner.feed(output, now=1000 + index * interval) for index, output in enumerate(outputs)]


@pytest.mark.parametrize(
    "output",
    [
        b"Epoch 1\n",
        b"no newline yet",
        b"windows\r\nlines\r\n",
        b"\x1b[32mgreen\x1b[0m\n",
        b"\n\n",
        bytes(range(14, 256)) + b"\n",
    ],
)
def test_text_without_redraws_passes_unchanged_and_at_once(output: bytes) -> None:
    assert written(output) == [output]


def test_crlf_in_two_reads_passes_unchanged() -> None:
    assert written(b"line\r", b"\nnext\n") == [b"line", b"\r\nnext\n"]


def test_states_are_written_once_per_interval_and_the_last_one_with_its_newline() -> None:
    states = [b"\r%d%%" % percent for percent in range(100)]
    seen = written(*states, b"\n", b"after\n", interval=0.1)
    assert [one for one in seen if one] == [
        *(b"\r%d%%" % percent for percent in range(0, 100, 10)),
        b"\r99%\n",
        b"after\n",
    ]


def test_an_hour_of_a_bar_has_at_most_one_state_a_second() -> None:
    seen = [one for one in written(*(b"\r%05d" % state for state in range(36_000)), interval=0.1) if one]
    assert 3_500 < len(seen) <= 3_601
    assert all(one.startswith(b"\r") and one.count(b"\r") == 1 for one in seen)


def test_states_that_end_with_their_carriage_return_are_states_too() -> None:
    assert written(b"10%\r", b"20%\r", b"30%\r", b"\n", interval=0.4) == [b"10%", b"\r20%", b"", b"\r30%\n"]


def test_state_that_arrives_in_parts_is_written_whole() -> None:
    thinner = RedrawThinner()
    assert thinner.feed(b"\r", 0) == b""
    assert thinner.feed(b"5", 0) == b"\r5"
    assert thinner.feed(b"0%", 0) == b""
    assert thinner.take_due(REDRAW_INTERVAL) == b"\r50%"


def test_pending_state_is_due_after_the_interval() -> None:
    thinner = RedrawThinner()
    thinner.feed(b"\r1%", 10.0)
    assert thinner.seconds_until_due(10.0) is None
    thinner.feed(b"\r2%", 10.25)
    assert thinner.seconds_until_due(10.25) == 0.75
    assert thinner.take_due(10.5) == b""
    assert thinner.take_due(11.0) == b"\r2%"
    assert thinner.seconds_until_due(11.0) is None


def test_end_of_a_line_whose_state_was_written_adds_its_newline_only() -> None:
    assert written(b"\r100%", b"\n") == [b"\r100%", b"\n"]


def test_state_of_the_next_bar_waits_for_its_turn() -> None:
    assert written(b"\r1%", b"\r2%\n\r3%", b"\n") == [b"\r1%", b"\r2%\n", b"\r3%\n"]


@pytest.mark.parametrize(
    "output",
    [
        b"\r 10%\x1b[A\r outer 1%\r outer 2%",
        b"\r" + b"x" * (MAX_STATE_BYTES + 1) + b"\rnext\rnext",
    ],
    ids=["cursor", "long"],
)
def test_line_that_cannot_be_thinned_passes_up_to_its_newline(output: bytes) -> None:
    assert b"".join(written(output, b"\rmore", b"\rmore", b"\n")) == output + b"\rmore\rmore\n"


def test_cursor_movement_in_two_reads_is_seen() -> None:
    assert b"".join(written(b"\r 10%\x1b", b"[A", b"\r 20%")) == b"\r 10%\x1b\r 10%\x1b[A\r 20%"


def test_final_text_is_the_same_however_the_output_is_cut() -> None:
    pieces = [b"\r", b"\n", b"\r\n", b"5%", b"100%", b"done", b" ", b"\rlast"]
    source = random.Random(7)
    for _ in range(500):
        output = b"".join(source.choices(pieces, k=source.randrange(1, 20)))
        seen = b"".join(_fed_in_parts(output, source))
        assert collapse_redraws(seen.decode()) == collapse_redraws(output.decode()), output


def _fed_in_parts(output: bytes, source: random.Random) -> Iterable[bytes]:
    thinner, now = RedrawThinner(), 0.0
    while output:
        size = source.randrange(1, 5)
        yield thinner.feed(output[:size], now)
        output, now = output[size:], now + source.random()
        yield thinner.take_due(now)
    yield thinner.take_pending(now)
