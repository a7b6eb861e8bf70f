"""
Reads TensorBoard's event files while they grow.

A file is a sequence of frames (length, CRC of the length, data, CRC of the data; little endian), each with one `Event`
message. Only five of its fields are needed, so this module parses protobuf itself instead of requiring TensorBoard.
Formats: ``tensorflow/core/lib/io/record_writer.h``, ``event.proto``, ``summary.proto``, ``tensor.proto``.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c

MAX_FRAME_SIZE = 16 * 1024**2
"""Maximum bytes of a frame; a longer one (an image, a graph) is skipped without being loaded into memory."""

CHUNK_SIZE = 4 * 1024**2
"""Bytes of one read of a file."""

_HEADER_SIZE = 12
_CRC_SIZE = 4
_FLOAT_FORMATS = {1: "<f", 2: "<d"}
"""Formats by TensorFlow's numbers of the tensor types that scalars have: float and double."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of one tag."""

    tag: str
    step: int
    wall_time: float
    """Seconds since the epoch, by the clock of the writer."""
    value: float


@dataclass(slots=True)
class EventFile:
    """
    Reads the new complete frames of one file. A damaged or invalid frame sets `is_corrupt`, and nothing more is read.
    """

    path: Path
    offset: int = 0
    is_corrupt: bool = False
    max_frame_size: int = MAX_FRAME_SIZE
    chunk_size: int = CHUNK_SIZE

    def read_scalars(self) -> Iterator[Scalar]:
        """Yield the scalars that were added since the last call; an incomplete frame is read later."""
        while not self.is_corrupt:
            previous_offset = self.offset
            # The command may have replaced the file by a link or a pipe since it was found.
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                file.seek(self.offset)
                chunk = file.read(self.chunk_size)
                yield from self._parse_frames(chunk)
                if self.offset == previous_offset and len(chunk) == self.chunk_size:  # a frame is longer than a chunk
                    file.seek(self.offset)
                    yield from self._parse_frames(file.read(self.max_frame_size + _HEADER_SIZE + _CRC_SIZE))
            if self.offset == previous_offset:
                return

    def _parse_frames(self, chunk: bytes) -> Iterator[Scalar]:
        position = 0
        while len(chunk) - position >= _HEADER_SIZE:
            (length,) = struct.unpack_from("<Q", chunk, position)
            frame_size = _HEADER_SIZE + length + _CRC_SIZE
            if not _is_crc_valid(chunk[position : position + 8], chunk, position + 8):
                self.is_corrupt = True
                return
            if length > self.max_frame_size:
                size = self.path.stat().st_size
                if self.offset + frame_size > size:
                    return
                self.offset += frame_size
                return
            if len(chunk) - position < frame_size:
                return
            data = chunk[position + _HEADER_SIZE : position + _HEADER_SIZE + length]
            if not _is_crc_valid(data, chunk, position + _HEADER_SIZE + length):
                self.is_corrupt = True
                return
            try:
                found = list(parse_event_scalars(memoryview(data)))
            except (ValueError, struct.error, IndexError):
                self.is_corrupt = True
                return
            position += frame_size
            self.offset += frame_size
            yield from found


def _is_crc_valid(data: bytes, chunk: bytes, crc_offset: int) -> bool:
    """Return whether the CRC at *crc_offset* is that of *data*: CRC-32C, masked as in TensorFlow."""
    (expected,) = struct.unpack_from("<I", chunk, crc_offset)
    crc: int = google_crc32c.value(data)
    return bool(expected == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def parse_event_scalars(event: memoryview) -> Iterator[Scalar]:
    """
    Yield the scalars of one `Event`.

    :raises ValueError: *event* is no valid message. The same holds for `IndexError` and `struct.error`.
    """
    wall_time, step, summary = 0.0, 0, None
    for number, value in _parse_fields(event):
        if number == 1 and isinstance(value, bytes):
            (wall_time,) = struct.unpack("<d", value)
        elif number == 2 and isinstance(value, int):
            step = value if value < 2**63 else value - 2**64
        elif number == 5 and isinstance(value, memoryview):
            summary = value
    for number, one in _parse_fields(summary) if summary is not None else ():
        if number == 1 and isinstance(one, memoryview):
            tag, scalar = _parse_value(one)
            if tag and scalar is not None:
                yield Scalar(tag, step, wall_time, scalar)


def _parse_value(message: memoryview) -> tuple[str, float | None]:
    tag, scalar = "", None
    for number, value in _parse_fields(message):
        if number == 1 and isinstance(value, memoryview):
            tag = bytes(value).decode("utf-8", "replace")
        elif number == 2 and isinstance(value, bytes):
            (scalar,) = struct.unpack("<f", value)
        elif number == 8 and isinstance(value, memoryview):
            scalar = _parse_scalar_tensor(value)
    return tag, scalar


def _parse_scalar_tensor(message: memoryview) -> float | None:
    """
    Return the value of a tensor with one number, as TensorFlow 2 and Keras write scalars; None for another tensor.
    """
    dtype, scalar, dims = 0, None, 1
    for number, value in _parse_fields(message):
        if number == 1 and isinstance(value, int):
            dtype = value
        elif number == 2 and isinstance(value, memoryview):
            dims = math.prod(_parse_dims(value))
        elif number == 4 and isinstance(value, memoryview):
            form = _FLOAT_FORMATS.get(dtype)
            if form is not None and len(value) == struct.calcsize(form):
                (scalar,) = struct.unpack(form, value)
        elif number in (5, 6):  # float_val, double_val: packed, or one by one
            form = "<f" if number == 5 else "<d"
            if isinstance(value, (bytes, memoryview)) and len(value) == struct.calcsize(form):
                (scalar,) = struct.unpack(form, value)
    return scalar if dims == 1 else None


def _parse_dims(shape: memoryview) -> Iterator[int]:
    for number, dim in _parse_fields(shape):
        if number == 2 and isinstance(dim, memoryview):
            yield next((size for key, size in _parse_fields(dim) if key == 1 and isinstance(size, int)), 0)


def _parse_fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each field: an int, 4 or 8 bytes, or a view of a length-delimited value."""
    offset = 0
    while offset < len(message):
        key, offset = _parse_varint(message, offset)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, offset = _parse_varint(message, offset)
            yield number, value
            continue
        if wire_type == 2:
            length, offset = _parse_varint(message, offset)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"unknown wire type: {wire_type}")
        if offset + length > len(message):
            raise ValueError("a field is longer than its message")
        view = message[offset : offset + length]
        yield number, view if wire_type == 2 else bytes(view)
        offset += length


def _parse_varint(message: memoryview, offset: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
