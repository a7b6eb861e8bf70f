"""Logs and metrics with any bytes, and log streams with any messages."""

from __future__ import annotations

import itertools
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import WebSocketDenialResponse

from airflow_dlaas.client.log_stream import StreamCursor
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.error import parse_api_error
from airflow_dlaas.contract.log_stream import Frame
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.exceptions import ApiError, ProtocolError
from airflow_dlaas.service.api.file_follower import CHUNK_SIZE, FileFollower, tail_offset
from airflow_dlaas.service.api.training_report import last_metrics
from airflow_dlaas.service.metrics import jsonl_metrics
from airflow_dlaas.service.metrics.log_metrics import LogMetricsParser
from airflow_dlaas.service.store.records import TrainingOutcome
from tests.fuzz.effort import effort
from tests.fuzz.test_documents import JSON
from tests.unit.service.api.conftest import Service

MAX_PROCESSOR_SECONDS = 20.0
"""Seconds of processor time for work that needs about one. Other processes do not count."""

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
read_frame = parse_response(Frame)

# -- messages to a client ----------------------------------------------------------------------------------------------

METRIC = st.fixed_dictionaries(
    {
        "timestamp": st.sampled_from(
            ["2026-03-01T12:00:04Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
        ),
        "iteration": st.integers(),
        "values": st.lists(st.fixed_dictionaries({"name": st.text(max_size=5), "value": st.floats()}), max_size=2),
    }
)
STATUS = st.fixed_dictionaries(
    {},
    optional={
        "message": st.none() | st.text(max_size=30) | JSON,
        "metrics": st.none() | st.lists(METRIC, max_size=2) | JSON,
        "state": st.sampled_from([*map(str, TrainingState), "new", None]) | JSON,
        "offset": st.integers() | st.integers(0, 100) | JSON,
        "unknown": JSON,
    },
)
MESSAGES = st.one_of(
    st.binary(max_size=100),
    JSON.map(lambda value: json.dumps(value).encode()),
    STATUS.map(lambda status: json.dumps({"status": status}).encode()),
    st.integers(1, 100_000).map(lambda depth: b'{"status":' + b"[" * depth),
)


@effort(600)
@given(st.lists(MESSAGES, max_size=6), st.integers(0, 50))
def test_any_message_is_a_frame_or_a_protocol_error(messages: list[bytes], offset: int) -> None:
    cursor = StreamCursor(offset)
    for message in messages:
        try:
            frame = read_frame(message)
        except ProtocolError as error:
            assert len(str(error)) < 50_000  # noqa: PT017
            continue
        before = cursor.offset
        new = cursor.accept(frame)
        assert cursor.offset >= before
        if new is not None:
            assert new.status.offset == cursor.offset
            read_frame(new.model_dump_json().encode())  # a trigger passes it on as JSON


PIECES = st.lists(st.text(max_size=12), max_size=8)


@effort(300)
@given(PIECES, st.lists(st.integers(0, 8), max_size=3), st.booleans())
def test_log_over_broken_connections_arrives_once(pieces: list[str], breaks: list[int], ours: bool) -> None:
    whole = "".join(pieces)
    cursor, got = StreamCursor(), ""
    for end in [*breaks, len(pieces)]:
        cursor.on_connect()
        at = 0
        for piece in pieces[:end]:
            begin, at = at, at + len(piece.encode())
            if ours and begin < cursor.offset:
                continue  # our service begins at the requested offset
            status: dict[str, Any] = {"message": piece}
            if ours:
                status |= {"state": "running", "offset": at}
            new = cursor.accept(read_frame(json.dumps({"status": status}).encode()))
            got += (new.status.message or "") if new is not None else ""
    assert got == whole
    assert cursor.offset == len(whole.encode())


@effort(300)
@given(st.text(max_size=40), st.lists(st.lists(st.integers(0, 40), max_size=4), max_size=4))
def test_foreign_log_with_other_frames_on_each_connection_arrives_once(whole: str, cuts: list[list[int]]) -> None:
    cursor, got = StreamCursor(), ""
    for points in [*cuts, []]:
        cursor.on_connect()
        edges = sorted({0, *(min(one, len(whole)) for one in points)})
        if not points:
            edges = [0, len(whole)]
        for begin, end in itertools.pairwise(edges):
            frame = read_frame(json.dumps({"status": {"message": whole[begin:end]}}).encode())
            new = cursor.accept(frame)
            got += (new.status.message or "") if new is not None else ""
    assert got == whole


@effort(300)
@given(st.integers(300, 599), MESSAGES)
def test_any_error_response_is_an_api_error(status: int, content: bytes) -> None:
    assert isinstance(parse_api_error(status, content), ApiError)


@pytest.mark.parametrize("flood", ['{"metrics": [%s]}', '{"metrics": [{"values": [%s]}]}'])
def test_frame_with_many_errors_needs_little_memory_and_time(flood: str) -> None:
    message = ('{"status": %s}' % (flood % ",".join(["{}"] * 500_000))).encode()
    tracemalloc.start()
    started = time.thread_time()
    with pytest.raises(ProtocolError) as found:
        read_frame(message)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(str(found.value)) < 50_000
    assert most < 60 * len(message)  # the objects up to the first error, and no more
    assert time.thread_time() - started < MAX_PROCESSOR_SECONDS


# -- logs that the service reads ---------------------------------------------------------------------------------------

ODD = st.sampled_from(
    [
        b"\xff", b"\x80" * 7, "ä€😀".encode(), "€".encode()[:2], "😀".encode()[:3], b"\0", b"\r", b"\r\n", b"\n",
        b"\n\n", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xe2\x80\xa8", b"\x85", b"\x1b[1m", b"a",
    ]
)  # fmt: skip
LOGS = st.lists(
    st.tuples(ODD | st.binary(max_size=8), st.sampled_from([1, 1, 1, 3, CHUNK_SIZE - 2, CHUNK_SIZE, CHUNK_SIZE + 1])),
    max_size=6,
).map(lambda runs: b"".join(piece * (count // len(piece) or 1) if piece else b"" for piece, count in runs))


def finished(api: Service, log: bytes, metrics: bytes = b"") -> str:
    run = api.submit()
    job = api.job(run)
    job.log.write_bytes(log)
    job.metrics.write_bytes(metrics)
    api.store.reserve_gpus(run, ["virtual:0"], api.clock())
    api.store.finish(run, TrainingOutcome(TrainingState.COMPLETED, api.clock(), exit_code=0))
    return run


def read_frames(api: Service, run: str, query: str = "") -> list[Frame]:
    seen = []
    with api.client.websocket_connect(f"/v3/models/{run}/monitor{query}") as socket:
        while (message := socket.receive())["type"] == "websocket.send":
            seen.append(read_frame(message["text"].encode()))
    assert message["code"] == 1000
    return seen


@effort(60)
@given(LOGS, st.data())
def test_log_of_any_bytes_arrives_as_text_with_replacements(api: Service, log: bytes, data: st.DataObject) -> None:
    run = finished(api, log)
    frames = read_frames(api, run)
    whole = log.decode(errors="replace")
    assert "".join(one.status.message or "" for one in frames) == whole
    offsets = [one.status.offset for one in frames if one.status.offset is not None]
    assert offsets == sorted(offsets)
    assert offsets[-1] == len(log)
    # A later request can continue at each offset.
    cursor = data.draw(st.sampled_from(offsets))
    rest = read_frames(api, run, f"?offset={cursor}")
    assert "".join(one.status.message or "" for one in rest) == log[cursor:].decode(errors="replace")
    last = data.draw(st.integers(0, 5))
    shown = "".join(one.status.message or "" for one in read_frames(api, run, f"?last={last}"))
    lines = log.removesuffix(b"\n").split(b"\n")[-last:] if last and log else []
    ending = b"\n" if lines and log.endswith(b"\n") else b""
    assert shown == (b"\n".join(lines) + ending).decode(errors="replace")
    api.store.delete_training("dlaas", run)


@effort(200)
@given(LOGS, st.lists(st.integers(1, CHUNK_SIZE + 10), max_size=6))
def test_log_that_is_read_while_it_grows_is_complete(log: bytes, steps: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log"
        follower, got, written = FileFollower(path), [], 0
        for step in [*steps, len(log)]:
            with path.open("ab") as file:
                file.write(log[written : written + step])
            written = min(written + step, len(log))
            if written == len(log):
                break
            got.append(follower.read(ended=False))
            assert follower.offset == sum(map(len, got))
        while piece := follower.read(ended=True):
            got.append(piece)
    assert b"".join(got) == log
    assert all(len(piece) <= CHUNK_SIZE for piece in got)
    assert "".join(piece.decode(errors="replace") for piece in got) == log.decode(errors="replace")


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
@pytest.mark.parametrize("length", [1, CHUNK_SIZE - 2, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE])
def test_last_line_is_found_at_any_length(tmp_path: Path, length: int, ending: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n" + b"x" * length + ending)
    lines = max(1, len(ending))
    assert tail_offset(path, lines) == 4


@pytest.mark.parametrize("one", [b"x", b"\r", b"\0", b"\xff", "€".encode()])
def test_line_of_many_megabytes_is_read_in_chunks_and_searched_once(tmp_path: Path, one: bytes) -> None:
    path = tmp_path / "log"
    size = 24 * 1024**2
    path.write_bytes(one * (size // len(one)))
    started = time.thread_time()
    assert tail_offset(path, 1) <= path.stat().st_size - 8 * 1024**2
    assert time.thread_time() - started < 1.0
    follower = FileFollower(path)
    read = 0
    while piece := follower.read(ended=False):
        read += len(piece)
    assert read >= path.stat().st_size - CHUNK_SIZE


QUERY = st.dictionaries(
    st.sampled_from(["last", "offset", "metrics", "x"]),
    st.one_of(
        st.integers().map(str),
        st.text(max_size=8),
        st.sampled_from(["", "²", "٣", "+1", " 1", "1e3", "0x1", "9" * 400, "007"]),
    ),
    max_size=3,
)


@effort(60)
@given(QUERY, st.sampled_from(["{}", "training-000000000", "..", "%00", "%ff", "a/b"]))
def test_any_query_of_a_log_stream_is_accepted_or_refused(api: Service, query: dict[str, str], name: str) -> None:
    run = finished(api, b"one\n")
    spelled = "&".join(f"{key}={quote(value, errors='replace')}" for key, value in query.items())
    path = f"/v3/models/{name.format(run)}/monitor?{spelled}"
    try:
        with api.client.websocket_connect(path) as socket:
            while (message := socket.receive())["type"] == "websocket.send":
                read_frame(message["text"].encode())
            assert message["code"] == 1000
    except WebSocketDenialResponse as denied:
        assert denied.status_code in {400, 404}  # noqa: PT017
        assert denied.json()["errors"]  # noqa: PT017
    api.store.delete_training("dlaas", run)


LINES = st.one_of(
    st.binary(max_size=60).filter(lambda line: b"\n" not in line),
    METRIC.map(lambda metric: json.dumps(metric).encode()),
    JSON.map(lambda value: json.dumps(value).encode()),
)


@effort(60)
@given(st.lists(LINES, max_size=5))
def test_any_metrics_file_of_a_command_is_harmless(api: Service, lines: list[bytes]) -> None:
    run = finished(api, b"", b"".join(line + b"\n" for line in lines))
    report = api.client.get(f"/v3/models/{run}")
    assert report.status_code == 200, report.text
    for frame in read_frames(api, run):
        for metric in frame.status.metrics or ():
            assert metric.model_dump_json()
    last_metrics(api.job(run).metrics)
    assert api.client.get("/v3/models?limit=1").status_code == 200
    api.store.delete_training("dlaas", run)


# -- metrics in lines --------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "loss", "acc", "Epoch", "step", "iter", "=", ":", " ", "1", "1e9", "-", ".", "nan", "٣", "9" * 30,
        "/", "%", "\r", "\x08", "\x1b[1m", "{", "}", '"', "[", "Loss= ", "\t", "\u2028", "\ud800",
    ]
)  # fmt: skip
PRINTED = st.one_of(
    st.text(max_size=80),
    st.lists(WORDS, max_size=25).map("".join),
    st.dictionaries(WORDS | st.text(max_size=5), JSON, max_size=4).map(json.dumps),
)
OWN = st.one_of(
    PRINTED,
    st.fixed_dictionaries(
        {
            "values": st.dictionaries(
                st.text(max_size=4) | WORDS, JSON | st.fixed_dictionaries({"value": JSON}), max_size=3
            )
        },
        optional={"grouplabel": JSON, "etimes": JSON | st.fixed_dictionaries({"iteration": JSON}), "meta": JSON},
    ).map(json.dumps),
)


def require_valid_metric(metric: Metric | None) -> None:
    if metric is not None:
        text = metric.model_dump_json()  # compared as text, because NaN is not equal to itself
        assert Metric.model_validate_json(text).model_dump_json() == text
        assert metric.values


@effort(800)
@given(st.lists(PRINTED, max_size=4))
@example([r'{"loss\ud800": 1}'])
def test_any_printed_line_is_a_valid_metric_or_none(lines: list[str]) -> None:
    log = LogMetricsParser()
    for line in lines:
        require_valid_metric(log.parse_line(line, NOW))


@effort(800)
@given(OWN)
@example(r'{"values": {"\ud800": 1}}')
@example(r'{"values": {"a": 1}, "grouplabel": "\ud800"}')
def test_any_line_of_a_metrics_file_is_a_valid_metric_or_none(line: str) -> None:
    require_valid_metric(jsonl_metrics.parse_line(line, NOW))


UNITS = [
    "a",
    "a ",
    "loss=",
    "loss: 1 ",
    "9",
    "Epoch 1",
    "\x1b[",
    "\x1b[1",
    "1/1 ",
    "[",
    "{",
    '{"a":',
    "\r",
    " ",
    "a.b",
    "step ",
    "-",
    "=",
    "é",
    "\\",
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    "read",
    [lambda line: LogMetricsParser().parse_line(line, NOW), lambda line: jsonl_metrics.parse_line(line, NOW)],
    ids=["printed", "written"],
)
def test_parse_time_is_linear_in_the_length_of_a_line(read: Callable[[str], object], unit: str) -> None:
    def seconds(size: int) -> float:
        """Return the processor time, in seconds."""
        line = unit * (size // len(unit)) + "!"
        taken = []
        for _ in range(3):
            started = time.thread_time()
            read(line)
            taken.append(time.thread_time() - started)
        return min(taken)

    short, long = seconds(4_000), seconds(64_000)
    assert long < max(0.05, 60 * short)  # sixteen times as long; quadratic would be 256 times
    assert seconds(1_000_000) < 1
