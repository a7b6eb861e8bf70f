"""Something that goes on while the command runs, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def background_thread(body: Callable[[Event], None], *, join_timeout: float | None = None) -> Iterator[None]:
    """
    Run *body* while the block runs; the event it is given is set at the block's end, and then it is waited for.

    With *join_timeout*, for that many seconds only: a body that may hang must not keep the results from being stored.
    """
    done = Event()
    thread = Thread(target=body, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(join_timeout)
