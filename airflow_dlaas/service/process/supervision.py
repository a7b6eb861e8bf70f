"""Parts that start slowly, or end by themselves, and what is done about it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

from airflow_dlaas.exceptions import DlaasError
from airflow_dlaas.service.dispatcher.loop import Dispatcher
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift

log = logging.getLogger(__name__)

WATCH_PAUSE = 1.0
"""Seconds between looks at the parts that may fail by themselves."""

SWIFT_PAUSE = 30.0
"""Seconds to the next try where the embedded Swift can't be started again."""

SWEEP_PAUSE = 3600.0
"""Seconds between sweeps of zips that nothing needs any more."""


@contextlib.contextmanager
def starting(swift: EmbeddedSwift) -> Iterator[Future[object]]:
    """Start the store while other parts are made: it is the slowest, and mostly waits."""
    with ThreadPoolExecutor(1, "swift") as pool:
        starting: Future[object] = pool.submit(swift.start)
        try:
            yield starting
        finally:
            wait([starting])
            swift.stop()


@contextlib.contextmanager
def watching(
    swift: EmbeddedSwift | None,
    dispatcher: Dispatcher,
    server: threading.Thread,
    *,
    sweep: Callable[[], int],
    give_up: Callable[[str], None],
) -> Iterator[None]:
    """
    Look after the parts: the store's processes are started again, and nothing goes on without the others.

    *sweep* is called now and then; *give_up* once, with a sentence, where the service can't go on.
    """
    done = threading.Event()

    def watch() -> None:
        since_sweep, pause = SWEEP_PAUSE, WATCH_PAUSE
        while not done.wait(pause):
            since_sweep += pause
            pause = WATCH_PAUSE
            if not server.is_alive() or not dispatcher.running:
                give_up("The API or the dispatcher ended by itself; its last words are in the log")
                return
            try:
                if swift is not None and not swift.alive():
                    log.error("The embedded object store ended by itself; starting it again")
                    swift.start()
                if since_sweep >= SWEEP_PAUSE:
                    since_sweep = 0.0
                    sweep()
            except DlaasError:
                log.exception("The service could not look after one of its parts; trying again")
                pause = SWIFT_PAUSE

    thread = threading.Thread(target=watch, name="watch")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
