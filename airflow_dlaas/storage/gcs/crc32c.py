"""
The CRC32C of joined contents, from the CRC32Cs of each of them. No I/O, and no content is read.

The store gives each object a CRC32C, and a composed object no other checksum.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

_POLYNOMIAL = 0x82F63B78
"""Of CRC32C (RFC 3385), with its bits reversed."""

Matrix = Sequence[int]
"""A linear map of 32 bits: what each bit becomes."""


def decode(value: str) -> int:
    """Return the CRC32C that the API writes in base64."""
    return int.from_bytes(base64.b64decode(value, validate=True), "big")


def combine(parts: Iterable[tuple[int, int]]) -> int:
    """Return the CRC32C of the joined content of *parts*: each is a CRC32C and a number of bytes."""
    result = 0
    for crc, size in parts:
        result = _append_zeros(result, size) ^ crc
    return result


def _append_zeros(crc: int, count: int) -> int:
    """Return *crc* after *count* bytes of zeros, in steps of powers of two."""
    # One bit of zeros: a shift, and the polynomial for the bit that leaves.
    operator: Matrix = [_POLYNOMIAL, *(1 << bit for bit in range(31))]
    for _ in range(3):  # one byte: two to the power of three bits
        operator = _squared(operator)
    while count:
        if count & 1:
            crc = _apply(operator, crc)
        operator, count = _squared(operator), count >> 1
    return crc


def _apply(matrix: Matrix, vector: int) -> int:
    result, row = 0, 0
    while vector:
        if vector & 1:
            result ^= matrix[row]
        vector, row = vector >> 1, row + 1
    return result


def _squared(matrix: Matrix) -> Matrix:
    return [_apply(matrix, one) for one in matrix]
