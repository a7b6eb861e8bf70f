"""
TensorBoard's event files, read as they grow.

A file is a row of frames (length, CRC of the length, data, CRC of the data; little endian), each holding one `Event`
message. Of its fields five matter here, so this reads protobuf by hand instead of bringing TensorBoard along.
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

FRAME_LIMIT = 16 * 1024**2
"""Bytes of one frame; a longer one (a picture, a graph) is passed over without being held in memory."""

PIECE = 4 * 1024**2
"""Bytes read at one look at a file: the rest comes at the next."""

_HEAD = 12
_CRC = 4
_FLOATS = {1: "<f", 2: "<d"}
"""TensorFlow's numbers for the types of tensors that scalars are written in: float and double."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of one tag."""

    tag: str
    step: int
    wall_time: float
    """Seconds since the epoch, as the writer had it."""
    value: float


@dataclass(slots=True)
class EventFile:
    """Reads the new whole frames of one file. A frame that is none, or is damaged, ends the reading: `broken`."""

    path: Path
    offset: int = 0
    broken: bool = False
    frame_limit: int = FRAME_LIMIT
    piece: int = PIECE

    def scalars(self) -> Iterator[Scalar]:
        """Give what has come since the last time; a frame that is still being written waits."""
        while not self.broken:
            before = self.offset
            # The command may have put a link or a pipe in its place since it was found.
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                file.seek(self.offset)
                piece = file.read(self.piece)
                yield from self._frames(piece)
                if self.offset == before and len(piece) == self.piece:  # one frame is longer than a piece
                    file.seek(self.offset)
                    yield from self._frames(file.read(self.frame_limit + _HEAD + _CRC))
            if self.offset == before:
                return

    def _frames(self, piece: bytes) -> Iterator[Scalar]:
        at = 0
        while len(piece) - at >= _HEAD:
            (length,) = struct.unpack_from("<Q", piece, at)
            whole = _HEAD + length + _CRC
            if not _is_sound(piece[at : at + 8], piece, at + 8):
                self.broken = True
                return
            if length > self.frame_limit:
                size = self.path.stat().st_size
                if self.offset + whole > size:
                    return
                self.offset += whole
                return
            if len(piece) - at < whole:
                return
            data = piece[at + _HEAD : at + _HEAD + length]
            if not _is_sound(data, piece, at + _HEAD + length):
                self.broken = True
                return
            try:
                found = list(read_event(memoryview(data)))
            except (ValueError, struct.error, IndexError):
                self.broken = True
                return
            at += whole
            self.offset += whole
            yield from found


def _is_sound(data: bytes, piece: bytes, at: int) -> bool:
    """Whether the CRC at *at* is that of *data*: CRC-32C, masked as TensorFlow does."""
    (told,) = struct.unpack_from("<I", piece, at)
    crc: int = google_crc32c.value(data)
    return bool(told == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def read_event(event: memoryview) -> Iterator[Scalar]:
    """
    Give the scalars of one `Event`.

    :raises ValueError, IndexError, struct.error: it is none.
    """
    wall_time, step, summary = 0.0, 0, None
    for number, value in _fields(event):
        if number == 1 and isinstance(value, bytes):
            (wall_time,) = struct.unpack("<d", value)
        elif number == 2 and isinstance(value, int):
            step = value if value < 2**63 else value - 2**64
        elif number == 5 and isinstance(value, memoryview):
            summary = value
    for number, one in _fields(summary) if summary is not None else ():
        if number == 1 and isinstance(one, memoryview):
            tag, scalar = _value(one)
            if tag and scalar is not None:
                yield Scalar(tag, step, wall_time, scalar)


def _value(message: memoryview) -> tuple[str, float | None]:
    tag, scalar = "", None
    for number, value in _fields(message):
        if number == 1 and isinstance(value, memoryview):
            tag = bytes(value).decode("utf-8", "replace")
        elif number == 2 and isinstance(value, bytes):
            (scalar,) = struct.unpack("<f", value)
        elif number == 8 and isinstance(value, memoryview):
            scalar = _tensor(value)
    return tag, scalar


def _tensor(message: memoryview) -> float | None:
    """Read a tensor of one number: TensorFlow 2 and Keras write scalars so."""
    kind, number_of, dims = 0, None, 1
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, memoryview):
            dims = math.prod(_dims(value))
        elif number == 4 and isinstance(value, memoryview):
            form = _FLOATS.get(kind)
            if form is not None and len(value) == struct.calcsize(form):
                (number_of,) = struct.unpack(form, value)
        elif number in (5, 6):  # float_val, double_val: packed, or one by one
            form = "<f" if number == 5 else "<d"
            if isinstance(value, (bytes, memoryview)) and len(value) == struct.calcsize(form):
                (number_of,) = struct.unpack(form, value)
    return number_of if dims == 1 else None


def _dims(shape: memoryview) -> Iterator[int]:
    for number, dim in _fields(shape):
        if number == 2 and isinstance(dim, memoryview):
            yield next((size for key, size in _fields(dim) if key == 1 and isinstance(size, int)), 0)


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Give each field's number with its value: an int, 4 or 8 bytes, or a view of what has a length."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"no such wire type: {kind}")
        if at + length > len(message):
            raise ValueError("a field is longer than its message")
        view = message[at : at + length]
        yield number, view if kind == 2 else bytes(view)
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
