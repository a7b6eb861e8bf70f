from __future__ import annotations

from datetime import datetime, timezone

from airflow_dlaas.client.log_stream import StreamCursor
from airflow_dlaas.contract.log_stream import Frame, FrameStatus
from airflow_dlaas.contract.training import Metric


def text(message, offset=None):
    return Frame(status=FrameStatus(message=message, offset=offset, state="running" if offset else None))


def accepted_text(cursor, *frames):
    return "".join(frame.status.message or "" for one in frames if (frame := cursor.accept(one)) is not None)


def test_repeated_text_of_a_foreign_server_is_dropped_to_the_byte():
    cursor = StreamCursor()
    assert accepted_text(cursor, text("one\n"), text("zwölf\n")) == "one\nzwölf\n"
    cursor.on_connect()
    assert accepted_text(cursor, text("one\nzw"), text("ölf\nthree\n")) == "three\n"


def test_text_before_the_initial_offset_is_dropped():
    assert accepted_text(StreamCursor(4), text("one\ntwo\n")) == "two\n"


def test_accepted_frames_have_an_offset():
    cursor = StreamCursor()
    assert cursor.accept(text("ä\n")).status.offset == 3
    assert cursor.accept(text("b", offset=10)).status.offset == 10


def test_offsets_of_our_service_are_used():
    cursor = StreamCursor()
    assert accepted_text(cursor, text("one\n", 4), text("two\n", 8)) == "one\ntwo\n"
    cursor.on_connect()
    assert accepted_text(cursor, text("two\n", 8), text("three\n", 14)) == "three\n"


def test_frame_without_text_is_dropped_with_the_text_around_it():
    cursor = StreamCursor(4)
    assert cursor.accept(Frame(status=FrameStatus())) is None
    assert cursor.accept(text("one\n")) is None
    assert cursor.accept(Frame(status=FrameStatus())) is not None


def test_metrics_of_our_service_are_counted():
    metric = Metric(timestamp=datetime(2026, 3, 1, tzinfo=timezone.utc), iteration=1, values=())
    cursor = StreamCursor()
    cursor.accept(text("one\n", 4))
    assert cursor.accept(Frame(status=FrameStatus(metrics=(metric,), state="running"))).status.metrics == (metric,)
    cursor.on_connect()
    assert cursor.accept(Frame(status=FrameStatus(offset=4, state="completed"))).status.state == "completed"
    assert (cursor.offset, cursor.metric_count) == (4, 1)


def test_frames_without_text_after_the_last_text_are_dropped_on_a_new_connection():
    cursor = StreamCursor()
    replay = [text("one\n"), Frame(status=FrameStatus()), Frame(status=FrameStatus())]
    assert [cursor.accept(one) is not None for one in replay] == [True, True, True]
    cursor.on_connect()
    assert [cursor.accept(one) is not None for one in [*replay, Frame(status=FrameStatus()), text("two\n")]] == [
        False,
        False,
        False,
        True,
        True,
    ]
