from __future__ import annotations

from datetime import datetime, timezone

from airflow_dlaas.client.log_stream import StreamCursor
from airflow_dlaas.contract.log_stream import Frame, FrameStatus
from airflow_dlaas.contract.training import Metric


def text(message, offset=None):
    return Frame(status=FrameStatus(message=message, offset=offset, state="running" if offset else None))


def told(place, *frames):
    return "".join(frame.status.message or "" for one in frames if (frame := place.accept(one)) is not None)


def test_what_a_foreign_server_tells_again_is_dropped_to_the_byte():
    place = StreamCursor()
    assert told(place, text("one\n"), text("zwölf\n")) == "one\nzwölf\n"
    place.on_connect()
    assert told(place, text("one\nzw"), text("ölf\nthree\n")) == "three\n"


def test_what_was_seen_in_an_earlier_life_is_dropped_too():
    assert told(StreamCursor(4), text("one\ntwo\n")) == "two\n"


def test_every_frame_says_how_far_it_goes():
    place = StreamCursor()
    assert place.accept(text("ä\n")).status.offset == 3
    assert place.accept(text("b", offset=10)).status.offset == 10


def test_a_server_that_counts_is_believed():
    place = StreamCursor()
    assert told(place, text("one\n", 4), text("two\n", 8)) == "one\ntwo\n"
    place.on_connect()
    assert told(place, text("two\n", 8), text("three\n", 14)) == "three\n"


def test_frames_without_text_are_as_old_as_the_text_around_them():
    place = StreamCursor(4)
    assert place.accept(Frame(status=FrameStatus())) is None
    assert place.accept(text("one\n")) is None
    assert place.accept(Frame(status=FrameStatus())) is not None


def test_our_metrics_come_beside_the_text_and_are_counted():
    metric = Metric(timestamp=datetime(2026, 3, 1, tzinfo=timezone.utc), iteration=1, values=())
    place = StreamCursor()
    place.accept(text("one\n", 4))
    assert place.accept(Frame(status=FrameStatus(metrics=(metric,), state="running"))).status.metrics == (metric,)
    place.on_connect()
    assert place.accept(Frame(status=FrameStatus(offset=4, state="completed"))).status.state == "completed"
    assert (place.offset, place.metric_count) == (4, 1)


def test_frames_without_text_after_the_last_text_are_not_taken_again_on_a_new_connection():
    place = StreamCursor()
    replay = [text("one\n"), Frame(status=FrameStatus()), Frame(status=FrameStatus())]
    assert [place.accept(one) is not None for one in replay] == [True, True, True]
    place.on_connect()
    assert [place.accept(one) is not None for one in [*replay, Frame(status=FrameStatus()), text("two\n")]] == [
        False,
        False,
        False,
        True,
        True,
    ]
