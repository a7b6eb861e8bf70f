"""Supervision of the service's components: slow starts, restarts, and unexpected ends."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait

from airflow_dlaas._util.threads import background_thread, start_in_thread
from airflow_dlaas.exceptions import DlaasError
from airflow_dlaas.service.dispatcher.loop import Dispatcher
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift

logger = logging.getLogger(__name__)

CHECK_INTERVAL = 1.0
"""Seconds between two checks of the components."""

RESTART_RETRY_INTERVAL = 30.0
"""Seconds to the next check after a failed one, for example after the embedded Swift could not be restarted."""

SWEEP_INTERVAL = 3600.0
"""Seconds between two removals of archives that no experiment and no training uses."""


@contextlib.contextmanager
def start_in_background(swift: EmbeddedSwift) -> Iterator[Future[object]]:
    """
    Start *swift* in a thread, so that the block can prepare the other components meanwhile; stop it after the block.

    Yields the future of the start: its result is to be awaited before Swift is used.
    """
    starting: Future[object] = start_in_thread(swift.start, name="swift")
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
    Check the components in a thread during the block.

    Swift is restarted if it has ended. The service cannot run without the server or the dispatcher: if one of them has
    ended, *on_failure* is called once, with a sentence, and the checks end.

    :param sweep_blobs: removes archives that are not used; called at the first check and every `SWEEP_INTERVAL`.
    """

    def watch(done: threading.Event) -> None:
        since_sweep, pause = SWEEP_INTERVAL, CHECK_INTERVAL
        while not done.wait(pause):
            since_sweep += pause
            pause = CHECK_INTERVAL
            if not server.is_alive() or not dispatcher.is_running:
                on_failure("The API server or the dispatcher ended unexpectedly; the log has the reason")
                return
            try:
                if swift is not None and not swift.is_running():
                    logger.error("The embedded object store ended unexpectedly; restarting it")
                    swift.start()
                if since_sweep >= SWEEP_INTERVAL:
                    since_sweep = 0.0
                    sweep_blobs()
            except DlaasError:
                pause = RESTART_RETRY_INTERVAL
                logger.warning(
                    "Checking the components of the service failed; retrying in %.0f s", pause, exc_info=True
                )

    with background_thread(watch, name="supervision"):
        yield
