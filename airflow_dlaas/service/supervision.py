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

logger = logging.getLogger(__name__)

CHECK_INTERVAL = 1.0
"""Seconds between looks at the parts that may fail by themselves."""

RESTART_RETRY_INTERVAL = 30.0
"""Seconds to the next try where the embedded Swift can't be started again."""

SWEEP_INTERVAL = 3600.0
"""Seconds between sweeps of zips that nothing needs any more."""


@contextlib.contextmanager
def start_in_background(swift: EmbeddedSwift) -> Iterator[Future[object]]:
    """Start the store while other parts are made: it is the slowest, and mostly waits."""
    with ThreadPoolExecutor(1, "swift") as pool:
        starting: Future[object] = pool.submit(swift.start)
        try:
            yield starting
        finally:
            wait([starting])
            swift.stop()


@contextlib.contextmanager
def supervise(
    swift: EmbeddedSwift | None,
    dispatcher: Dispatcher,
    server: threading.Thread,
    *,
    sweep_blobs: Callable[[], int],
    on_failure: Callable[[str], None],
) -> Iterator[None]:
    """
    Look after the parts: the store's processes are started again, and nothing goes on without the others.

    *sweep_blobs* is called now and then; *on_failure* once, with a sentence, where the service can't go on.
    """
    done = threading.Event()

    def watch() -> None:
        since_sweep, pause = SWEEP_INTERVAL, CHECK_INTERVAL
        while not done.wait(pause):
            since_sweep += pause
            pause = CHECK_INTERVAL
            if not server.is_alive() or not dispatcher.is_running:
                on_failure("The API or the dispatcher ended by itself; its last words are in the log")
                return
            try:
                if swift is not None and not swift.is_running():
                    logger.error("The embedded object store ended by itself; starting it again")
                    swift.start()
                if since_sweep >= SWEEP_INTERVAL:
                    since_sweep = 0.0
                    sweep_blobs()
            except DlaasError:
                logger.exception("The service could not look after one of its parts; trying again")
                pause = RESTART_RETRY_INTERVAL

    thread = threading.Thread(target=watch, name="watch")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
