"""
The points at which a process of the service can be killed, and how a test selects one.

A fuse is a file beside the data directory; it lists points, one per line. A call of a wrapped method looks for its own
name there; if it finds it, the process kills itself at that point. It removes the file first, so that the next process
survives.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEFORE, WITHIN, AFTER, REFUSED = "before", "within", "after", "refused"
"""Before the method does anything; after its last statement and before its commit; after it and before its caller
continues; and, instead of a kill: the method fails, as if the machine had no more processes."""


REACHED = "-"
"""Replaces the method of a point that a service has reached, and at which it is about to be killed."""


@dataclass(frozen=True, slots=True)
class Point:
    """A moment: *when* in the *call*-th call of *method* from now on."""

    method: str
    when: str
    call: int = 1

    def __str__(self) -> str:
        return f"{self.method} {self.when} {self.call}"


class Fuse:
    """The armed points; used by the test, which arms them, and by the service, which is killed at them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._dying = threading.local()

    def arm(self, *points: Point) -> None:
        """Set the points of the next kill; earlier ones are dropped."""
        aside = self.path.with_suffix(".aside")
        aside.write_text("".join(f"{point}\n" for point in points))
        aside.replace(self.path)

    @property
    def armed(self) -> bool:
        """Whether no service has been killed at it yet."""
        return self.path.exists()

    def disarm(self) -> None:
        self.path.unlink(missing_ok=True)

    def drop_reached(self) -> None:
        """Drop points that a service had reached when the test killed it."""
        if not self.path.exists():
            return
        left = [point for point in self._points() if point.method != REACHED]
        if left:
            self.arm(*left)
        else:
            self.disarm()

    @contextmanager
    def around(self, methods: Iterable[str], refusal: Callable[[str], Exception]) -> Iterator[None]:
        """Wrap a call that has the names *methods*."""
        due = self._strike(set(methods))
        if REFUSED in due:
            raise refusal("refused by the test")
        if BEFORE in due:
            self.burn()
        self._dying.now = WITHIN in due
        try:
            yield
        finally:
            self._dying.now = False
        if AFTER in due:
            self.burn()

    def commits(self) -> None:
        """Is called before a commit."""
        if getattr(self._dying, "now", False):
            self.burn()

    def burn(self) -> None:
        """Kill this process by SIGKILL."""
        self.disarm()
        os.kill(os.getpid(), signal.SIGKILL)

    def _strike(self, methods: set[str]) -> set[str]:
        """Count this call, and return the points that it has reached."""
        if not self.path.exists():
            return set()
        with self._lock:
            due, left = set(), []
            for point in self._points():
                if point.method not in methods:
                    left.append(point)
                elif point.call > 1:
                    left.append(Point(point.method, point.when, point.call - 1))
                else:
                    due.add(point.when)
            if due or left != self._points():
                # The kill itself removes the file: until then, the test sees that it has not happened.
                self.arm(*left, *(Point(REACHED, when) for when in due - {REFUSED}))
            return due

    def _points(self) -> list[Point]:
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Point(method, when, int(call)) for method, when, call in map(str.split, lines)]


def fragile(kind: type[Any], fuse: Fuse, names: Callable[..., Iterable[str]], *methods: str) -> type[Any]:
    """
    Return a subclass of *kind* whose *methods* can kill; ``names(self, method, *args)`` returns the names of a call.
    """
    from airflow_dlaas.exceptions import HostError

    def wrapped(method: str) -> Callable[..., Any]:
        inner = getattr(kind, method)

        @functools.wraps(inner)
        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            with fuse.around(names(self, method, *arguments, *named.values()), HostError):
                return inner(self, *arguments, **named)

        return call

    return type(kind.__name__, (kind,), {method: wrapped(method) for method in methods})
