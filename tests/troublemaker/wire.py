"""HTTP/1.1 on a socket: heads as values, bodies as pieces, nothing kept whole."""

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

PIECE = 64 * 1024
"""The most bytes of a body in hand at once."""

LINE = 64 * 1024
"""The longest line of a head; Swift itself stops at 8 KiB."""

DELIVERY = 30.0
"""Seconds that a peer which does not read may hold up a reset."""

Framing = int | Literal["chunked", "end"]
"""How long a body is: so many bytes, as its chunks say, or until the connection ends."""


class Gone(Exception):
    """The peer ended in the middle of a message, or did not speak HTTP."""


@dataclass(frozen=True)
class Head:
    """The first line and the fields, in latin-1: written again, they are byte for byte what was read."""

    line: str
    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        return next((value for known, value in self.fields if known.lower() == name.lower()), None)

    def has(self, name: str, word: str) -> bool:
        """Whether the field *name* lists *word*."""
        return word in (one.strip().lower() for one in (self.get(name) or "").split(","))

    def put(self, name: str, value: str) -> Head:
        """With another value for a field; one that is not there is not added."""
        return replace(self, fields=tuple((k, value if k.lower() == name.lower() else v) for k, v in self.fields))

    def without(self, name: str) -> Head:
        return replace(self, fields=tuple((k, v) for k, v in self.fields if k.lower() != name.lower()))

    def word(self, number: int) -> str:
        """A word of the first line."""
        try:
            return self.line.split(" ")[number]
        except IndexError:
            raise Gone(f"not HTTP: {self.line!r}") from None

    @property
    def status(self) -> int:
        return _number(self.word(1))

    def framing(self, otherwise: Framing) -> Framing:
        """How long the body is, which is *otherwise* where the fields do not say."""
        if self.has("Transfer-Encoding", "chunked"):
            return "chunked"
        length = self.get("Content-Length")
        return otherwise if length is None else _number(length)

    def reply_framing(self, method: str) -> Framing:
        bare = method == "HEAD" or self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        return 0 if bare else self.framing("end")

    def __bytes__(self) -> bytes:
        lines = [self.line, *(f"{name}: {value}" for name, value in self.fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def _number(text: str | bytes, base: int = 10) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise Gone(f"not HTTP: {text!r} for a number") from None


class Stream:
    """One end of a connection. Reading raises `Gone` for any trouble of the peer's, writing `OSError`."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self._reader = connection.makefile("rb")

    def head(self) -> Head | None:
        """The next message's head, or None where the peer has closed in good order instead."""
        line = self._line()
        if not line:
            return None
        fields = []
        while text := self._line(needed=True).decode("latin-1").rstrip("\r\n"):
            name, _, value = text.partition(":")
            fields.append((name, value.strip()))
        return Head(line.decode("latin-1").rstrip("\r\n"), tuple(fields))

    def body(self, framing: Framing) -> Iterator[bytes]:
        """Its bytes as they come, without what chunking adds."""
        if framing == "chunked":
            while size := _number(self._line(needed=True).split(b";")[0], 16):
                yield from self._some(size)
                self._line(needed=True)
            while self._line(needed=True).strip():
                """A trailer, which Swift has no use for."""
        elif framing == "end":
            while piece := self._read():
                yield piece
        else:
            yield from self._some(framing)

    def write(self, content: bytes) -> None:
        self.socket.sendall(content)

    def write_body(self, pieces: Iterator[bytes], framing: Framing) -> None:
        for piece in pieces:
            self.write(b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunked" else piece)
        if framing == "chunked":
            self.write(b"0\r\n\r\n")

    def ended(self) -> bool:
        """Whether the peer sends nothing more, even where what it sent before is still to be read."""
        return self._poll(select.POLLRDHUP)

    def stirs(self) -> bool:
        """Whether there is something to read, be it the end."""
        return self._poll(select.POLLIN)

    def prepare_reset(self) -> None:
        """Let `close` show as a reset (RST), after the peer was given all that was written."""
        self._deliver()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def finish(self) -> None:
        """Say that nothing more comes (FIN), after the peer was given all that was written."""
        self._deliver()
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._reader.close()
        self.socket.close()

    def _deliver(self) -> None:
        """Wait until the peer's kernel has all that was written: a reset throws away what is still on its way."""
        deadline = time.monotonic() + DELIVERY
        while self._undelivered() and not self._poll(0) and time.monotonic() < deadline:
            time.sleep(0.001)

    def _undelivered(self) -> int:
        (count,) = struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))
        return int(count)

    def _poll(self, events: int) -> bool:
        """Whether there is any of *events*, or no connection any more."""
        watch = select.poll()
        watch.register(self.socket, events)
        return bool(watch.poll(0))

    def _some(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self._read(min(left, PIECE))
            if not piece:
                raise Gone(f"ended {left} bytes too early")
            left -= len(piece)
            yield piece

    def _read(self, size: int = PIECE) -> bytes:
        try:
            return self._reader.read1(size)
        except OSError as error:
            raise Gone(str(error)) from error

    def _line(self, *, needed: bool = False) -> bytes:
        try:
            line = self._reader.readline(LINE)
        except OSError as error:
            raise Gone(str(error)) from error
        if not line.endswith(b"\n") and (line or needed):
            raise Gone("ended within a line")
        return line
