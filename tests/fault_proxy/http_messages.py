"""HTTP/1.1 on a socket: heads as values, bodies as chunks that are never collected."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Literal

CHUNK_SIZE = 64 * 1024
"""The most bytes of a body in memory at a time."""

MAX_LINE = 64 * 1024
"""Bytes of the longest line of a head; the limit of Swift is 8 KiB."""

DELIVERY_TIMEOUT = 30.0
"""Seconds that a reset waits for a peer that does not read."""

Framing = int | Literal["chunked", "end"]
"""The length of a body: a number of bytes, by chunked encoding, or until the end of the connection."""


class ProtocolError(Exception):
    """The peer closed the connection within a message, or sent what is not HTTP."""


@dataclass(frozen=True)
class Head:
    """The first line and the fields, in latin-1: written again, they have the same bytes."""

    line: str
    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        return next((value for known, value in self.fields if known.lower() == name.lower()), None)

    def has(self, name: str, word: str) -> bool:
        """Whether the field *name* lists *word*."""
        return word in (one.strip().lower() for one in (self.get(name) or "").split(","))

    def put(self, name: str, value: str) -> Head:
        """Return the head with another value of a field; a missing field is not added."""
        return replace(self, fields=tuple((k, value if k.lower() == name.lower() else v) for k, v in self.fields))

    def without(self, name: str) -> Head:
        return replace(self, fields=tuple((k, v) for k, v in self.fields if k.lower() != name.lower()))

    def word(self, number: int) -> str:
        """Return a word of the first line."""
        try:
            return self.line.split(" ")[number]
        except IndexError:
            raise ProtocolError(f"not HTTP: {self.line!r}") from None

    @property
    def status(self) -> int:
        return _number(self.word(1))

    def framing(self, default: Framing) -> Framing:
        """Return the length of the body; *default* if the fields do not have it."""
        if self.has("Transfer-Encoding", "chunked"):
            return "chunked"
        length = self.get("Content-Length")
        return default if length is None else _number(length)

    def reply_framing(self, method: str) -> Framing:
        has_no_body = method == "HEAD" or self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        return 0 if has_no_body else self.framing("end")

    def __bytes__(self) -> bytes:
        lines = [self.line, *(f"{name}: {value}" for name, value in self.fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def _number(text: str | bytes, base: int = 10) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise ProtocolError(f"not HTTP: {text!r} for a number") from None


class Stream:
    """One end of a connection. Reading raises `ProtocolError` for any failure of the peer, writing raises `OSError`."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self._reader = connection.makefile("rb")

    def head(self) -> Head | None:
        """Return the head of the next message, or None if the peer has closed the connection without a reset."""
        line = self._line()
        if not line:
            return None
        fields = []
        while text := self._line(needed=True).decode("latin-1").rstrip("\r\n"):
            name, _, value = text.partition(":")
            fields.append((name, value.strip()))
        return Head(line.decode("latin-1").rstrip("\r\n"), tuple(fields))

    def body(self, framing: Framing) -> Iterator[bytes]:
        """Yield the bytes of the body as they arrive, without those of chunked encoding."""
        if framing == "chunked":
            while size := _number(self._line(needed=True).split(b";")[0], 16):
                yield from self._read_exactly(size)
                self._line(needed=True)
            while self._line(needed=True).strip():
                """A trailer is dropped: Swift does not use it."""
        elif framing == "end":
            while chunk := self._read():
                yield chunk
        else:
            yield from self._read_exactly(framing)

    def write(self, content: bytes) -> None:
        self.socket.sendall(content)

    def write_body(self, chunks: Iterator[bytes], framing: Framing) -> None:
        for chunk in chunks:
            self.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if framing == "chunked" else chunk)
        if framing == "chunked":
            self.write(b"0\r\n\r\n")

    def is_disconnected(self) -> bool:
        """Whether the peer has ended its side, even if bytes from before are not read yet."""
        return self._poll(select.POLLRDHUP)

    def is_readable(self) -> bool:
        """Whether there is something to read, or the end of the connection."""
        return self._poll(select.POLLIN)

    def prepare_reset(self) -> None:
        """Make `close` send a reset (RST), after the peer received everything that was written."""
        self._deliver()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def finish(self) -> None:
        """End this side of the connection (FIN), after the peer received everything that was written."""
        self._deliver()
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._reader.close()
        self.socket.close()

    def _deliver(self) -> None:
        """Wait until the peer's kernel has everything that was written: a reset discards what is in transit."""
        deadline = time.monotonic() + DELIVERY_TIMEOUT
        while self._undelivered() and not self._poll(0) and time.monotonic() < deadline:
            time.sleep(0.001)

    def _undelivered(self) -> int:
        (count,) = struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))
        return int(count)

    def _poll(self, events: int) -> bool:
        """Whether one of *events* has occurred, or the connection is closed."""
        poll = select.poll()
        poll.register(self.socket, events)
        return bool(poll.poll(0))

    def _read_exactly(self, remaining: int) -> Iterator[bytes]:
        while remaining:
            chunk = self._read(min(remaining, CHUNK_SIZE))
            if not chunk:
                raise ProtocolError(f"the connection ended {remaining} bytes too early")
            remaining -= len(chunk)
            yield chunk

    def _read(self, size: int = CHUNK_SIZE) -> bytes:
        try:
            return self._reader.read1(size)
        except OSError as error:
            raise ProtocolError(str(error)) from error

    def _line(self, *, needed: bool = False) -> bytes:
        try:
            line = self._reader.readline(MAX_LINE)
        except OSError as error:
            raise ProtocolError(str(error)) from error
        if not line.endswith(b"\n") and (line or needed):
            raise ProtocolError("the connection ended within a line")
        return line
