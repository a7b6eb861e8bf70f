"""
Where a process of the service can be killed, and how a test says where it is to happen.

A fuse is a file beside the home folder; it lists points, one a line. A wrapped verb that is called looks for its own
name there, and if it finds it, the process kills itself at that point. The file is gone before the process is, so the
next one lives.
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
"""Before the verb does anything; after its last statement, before its commit; after it, before anybody hears of it;
and, instead of a kill: it fails, as where the machine has no more processes."""


REACHED = "-"
"""In place of its verb: a point that a service has reached, and is about to die of."""


@dataclass(frozen=True, slots=True)
class Point:
    """A moment in the life of a service: *when* in the *call*-th call of *verb* from now on."""

    verb: str
    when: str
    call: int = 1

    def __str__(self) -> str:
        return f"{self.verb} {self.when} {self.call}"


class Fuse:
    """The points that are armed, for whoever arms them and for whoever is killed by them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._dying = threading.local()

    def arm(self, *points: Point) -> None:
        """Say where to die next; what was armed before is forgotten."""
        aside = self.path.with_suffix(".aside")
        aside.write_text("".join(f"{point}\n" for point in points))
        aside.replace(self.path)

    @property
    def armed(self) -> bool:
        """Whether nothing has burnt it yet."""
        return self.path.exists()

    def disarm(self) -> None:
        self.path.unlink(missing_ok=True)

    def drop_reached(self) -> None:
        """Forget the points that a service had reached which a test killed before it died of them."""
        if not self.path.exists():
            return
        left = [point for point in self._points() if point.verb != REACHED]
        if left:
            self.arm(*left)
        else:
            self.disarm()

    @contextmanager
    def around(self, verbs: Iterable[str], refusal: Callable[[str], Exception]) -> Iterator[None]:
        """Take part in a call that goes by the names *verbs*."""
        due = self._strike(set(verbs))
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
        """Take part in a commit."""
        if getattr(self._dying, "now", False):
            self.burn()

    def burn(self) -> None:
        """Die, as by the kernel's hand."""
        self.disarm()
        os.kill(os.getpid(), signal.SIGKILL)

    def _strike(self, verbs: set[str]) -> set[str]:
        """Count this call, and say which points it has reached."""
        if not self.path.exists():
            return set()
        with self._lock:
            due, left = set(), []
            for point in self._points():
                if point.verb not in verbs:
                    left.append(point)
                elif point.call > 1:
                    left.append(Point(point.verb, point.when, point.call - 1))
                else:
                    due.add(point.when)
            if due or left != self._points():
                # What kills removes the file itself: until then the test can see that it has not happened.
                self.arm(*left, *(Point(REACHED, when) for when in due - {REFUSED}))
            return due

    def _points(self) -> list[Point]:
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Point(verb, when, int(call)) for verb, when, call in map(str.split, lines)]


def fragile(kind: type[Any], fuse: Fuse, names: Callable[..., Iterable[str]], *verbs: str) -> type[Any]:
    """Make a *kind* whose *verbs* can kill; *names* says what a call of one goes by: ``names(self, verb, *args)``."""
    from airflow_dlaas.exceptions import HostError

    def wrapped(verb: str) -> Callable[..., Any]:
        inner = getattr(kind, verb)

        @functools.wraps(inner)
        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            with fuse.around(names(self, verb, *arguments, *named.values()), HostError):
                return inner(self, *arguments, **named)

        return call

    return type(kind.__name__, (kind,), {verb: wrapped(verb) for verb in verbs})
