from __future__ import annotations

from airflow_dlaas.client.monitor import Place
from airflow_dlaas.contract.monitor import Frame, FrameStatus


def text(message, offset=None):
    return Frame(status=FrameStatus(message=message, offset=offset))


def told(place, *frames):
    return "".join(frame.status.message or "" for one in frames if (frame := place.take(one)) is not None)


def test_what_a_foreign_server_tells_again_is_dropped_to_the_byte():
    place = Place()
    assert told(place, text("one\n"), text("zwölf\n")) == "one\nzwölf\n"
    place.reconnected()
    assert told(place, text("one\nzw"), text("ölf\nthree\n")) == "three\n"


def test_what_was_seen_in_an_earlier_life_is_dropped_too():
    assert told(Place(4), text("one\ntwo\n")) == "two\n"


def test_every_frame_says_how_far_it_goes():
    place = Place()
    assert place.take(text("ä\n")).status.offset == 3
    assert place.take(text("b", offset=10)).status.offset == 10


def test_a_server_that_counts_is_believed():
    place = Place()
    assert told(place, text("one\n", 4), text("two\n", 8)) == "one\ntwo\n"
    place.reconnected()
    assert told(place, text("two\n", 8), text("three\n", 14)) == "three\n"


def test_frames_without_text_are_as_old_as_the_text_around_them():
    place = Place(4)
    assert place.take(Frame(status=FrameStatus())) is None
    assert place.take(text("one\n")) is None
    assert place.take(Frame(status=FrameStatus())) is not None
