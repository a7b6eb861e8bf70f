"""
The points at which a process of the service can be killed, and the file in which a test chooses some of them.

A kill plan is a file beside the home folder that lists points, one per line. A call of a wrapped method looks up its
own names there. If it finds one, the process kills itself at that point. It removes the file before, so that the next
process is not killed.
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
"""Before the call does anything; after its last statement, before its commit; after the call, before its caller
continues. REFUSED is no kill: the call fails, as on a machine without free process ids."""

REACHED = "-"
"""Replaces the call name of a point that a service has reached and at which it will be killed."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point at which to kill a service: *when* in call number *call* of *call_name*, counted from now."""

    call_name: str
    when: str
    call: int = 1

    def __str__(self) -> str:
        return f"{self.call_name} {self.when} {self.call}"


class KillPlan:
    """The chosen points: a test writes them, the service reads them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._thread = threading.local()

    def choose(self, *points: Point) -> None:
        """Replace the chosen points."""
        aside = self.path.with_suffix(".aside")
        aside.write_text("".join(f"{point}\n" for point in points))
        aside.replace(self.path)

    @property
    def has_points(self) -> bool:
        """Whether it has points: a kill removes them."""
        return self.path.exists()

    def clear(self) -> None:
        """Remove all points."""
        self.path.unlink(missing_ok=True)

    def drop_reached(self) -> None:
        """Remove the points that a service had reached when the test killed it, before it could kill itself."""
        if not self.path.exists():
            return
        left = [point for point in self._points() if point.call_name != REACHED]
        if left:
            self.choose(*left)
        else:
            self.clear()

    @contextmanager
    def around(self, call_names: Iterable[str], refusal: Callable[[str], Exception]) -> Iterator[None]:
        """Kill the process at the points of a call with the names *call_names*, or raise *refusal*."""
        due = self._due_points(set(call_names))
        if REFUSED in due:
            raise refusal("refused by the test")
        if BEFORE in due:
            self.kill_process()
        self._thread.kill_at_commit = WITHIN in due
        try:
            yield
        finally:
            self._thread.kill_at_commit = False
        if AFTER in due:
            self.kill_process()

    def on_commit(self) -> None:
        """Kill the process if this thread is in a call with the point `WITHIN`."""
        if getattr(self._thread, "kill_at_commit", False):
            self.kill_process()

    def kill_process(self) -> None:
        """Send SIGKILL to this process."""
        self.clear()
        os.kill(os.getpid(), signal.SIGKILL)

    def _due_points(self, call_names: set[str]) -> set[str]:
        """Count this call; return the `when` of the points that it has reached."""
        if not self.path.exists():
            return set()
        with self._lock:
            due, left = set(), []
            for point in self._points():
                if point.call_name not in call_names:
                    left.append(point)
                elif point.call > 1:
                    left.append(Point(point.call_name, point.when, point.call - 1))
                else:
                    due.add(point.when)
            if due or left != self._points():
                # `kill_process` removes the file: until then, the test can see that the kill has not happened.
                self.choose(*left, *(Point(REACHED, when) for when in due - {REFUSED}))
            return due

    def _points(self) -> list[Point]:
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Point(call_name, when, int(call)) for call_name, when, call in map(str.split, lines)]


def killable_class(
    kind: type[Any], kill_plan: KillPlan, names: Callable[..., Iterable[str]], *methods: str
) -> type[Any]:
    """
    Return a subclass of *kind* whose *methods* have kill points.

    :param names: returns the names of a call: ``names(self, method, *args)``.
    """
    from airflow_dlaas.exceptions import HostError

    def wrapped(method: str) -> Callable[..., Any]:
        inner = getattr(kind, method)

        @functools.wraps(inner)
        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            with kill_plan.around(names(self, method, *arguments, *named.values()), HostError):
                return inner(self, *arguments, **named)

        return call

    return type(kind.__name__, (kind,), {method: wrapped(method) for method in methods})
