from __future__ import annotations

import math
import os
import struct
from pathlib import Path

import pytest
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from airflow_dlaas.service.metrics.tfevents import MAX_FRAME_SIZE, EventFile

tensorboard = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def frame(data: bytes) -> bytes:
    """Return a frame in the format of every writer."""
    length = struct.pack("<Q", len(data))
    return length + masked_crc(length) + data + masked_crc(data)


def masked_crc(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(data))


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def event(tag: str, value: float, step: int) -> bytes:
    one = field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)
    return frame(b"\x09" + struct.pack("<d", 1000.0 + step) + bytes([0x10, step]) + field(5, field(1, one)))


def read(path: Path) -> list[tuple[str, int, float]]:
    return [(one.tag, one.step, one.value) for one in EventFile(path).read_scalars()]


def test_growing_file_is_read_incrementally_by_complete_frames(tmp_path: Path) -> None:
    path, last = tmp_path / "events.out.tfevents.1", event("loss", 0.25, 3)
    path.write_bytes(event("loss", 1.0, 1) + event("loss", 0.5, 2) + last[:-5])
    file = EventFile(path)
    assert [(one.step, one.value) for one in file.read_scalars()] == [(1, 1.0), (2, 0.5)]
    assert list(file.read_scalars()) == []
    with path.open("ab") as more:
        more.write(last[-5:])
    assert [(one.step, one.value, one.wall_time) for one in file.read_scalars()] == [(3, 0.25, 1003.0)]


def test_invalid_file_sets_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(event("loss", 1.0, 1) + os.urandom(3) + b"\xff" * 4096)
    file = EventFile(path)
    assert [one.value for one in file.read_scalars()] == [1.0]
    assert file.is_corrupt


@pytest.mark.parametrize("place", [0, 7, 8, 12, 20, -6, -1])
def test_flipped_bit_gives_no_value_and_sets_is_corrupt(tmp_path: Path, place: int) -> None:
    path, spoilt = tmp_path / "events.out.tfevents.1", bytearray(event("loss", 0.5, 2))
    spoilt[place] ^= 4
    path.write_bytes(event("loss", 1.0, 1) + spoilt + event("loss", 0.25, 3))
    file = EventFile(path)
    assert [one.value for one in file.read_scalars()] == [1.0]
    assert file.is_corrupt


def test_frame_above_the_limit_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(event("loss", 1.0, 1) + frame(bytes(1001)) + event("loss", 0.5, 2))
    assert MAX_FRAME_SIZE == 16 * 1024**2
    for chunk_size in (100, 10_000):  # the frame is longer than a chunk, or not
        assert [one.value for one in EventFile(path, max_frame_size=1000, chunk_size=chunk_size).read_scalars()] == [
            1.0,
            0.5,
        ]


def test_frame_longer_than_a_chunk_is_read_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(frame(bytes([0x1A, 100]) + bytes(100)) + event("loss", 0.5, 2))
    assert [one.value for one in EventFile(path, max_frame_size=102, chunk_size=20).read_scalars()] == [0.5]


def test_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(event("loss", 1.0, 1))
    path = tmp_path / "events.out.tfevents.1"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        list(EventFile(path).read_scalars())


def test_scalars_equal_those_that_tensorboard_reads(tmp_path: Path) -> None:
    """Scalars are written as a simple value or, by TensorFlow 2 and Keras, as a tensor."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.plugins.scalar.metadata import create_summary_metadata
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path))
    for step in range(1, 301):
        simple = Summary.Value(tag="loss", simple_value=math.exp(-step / 50))
        tensor = Summary.Value(
            tag="epoch_accuracy",
            tensor=TensorProto(dtype=1, tensor_content=struct.pack("<f", step / 400)),
            metadata=create_summary_metadata("", ""),
        )
        packed = Summary.Value(
            tag="lr", tensor=TensorProto(dtype=2, double_val=[0.1 / step]), metadata=create_summary_metadata("", "")
        )
        picture = Summary.Value(tag="kernel", tensor=TensorProto(dtype=1, float_val=[1.0, 2.0]))
        writer.add_event(
            Event(wall_time=1000 + step, step=step, summary=Summary(value=[simple, tensor, packed, picture]))
        )
    writer.close()
    theirs = tensorboard.EventAccumulator(str(tmp_path), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    from tensorboard.util.tensor_util import make_ndarray

    expected = {("loss", one.step, one.value) for one in theirs.Scalars("loss")} | {
        (tag, one.step, float(make_ndarray(one.tensor_proto)))
        for tag in ("epoch_accuracy", "lr")
        for one in theirs.Tensors(tag)
    }
    ours = read(next(tmp_path.glob("*tfevents*")))
    assert len(ours) == 900
    assert set(ours) == expected
