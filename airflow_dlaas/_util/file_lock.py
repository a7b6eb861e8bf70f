"""Locks between processes: `flock` on a file, which the kernel releases however the process ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_dlaas._util.timer import SYSTEM_TIMER, Timer

POLL_INTERVAL = 0.05
"""Seconds between two attempts to lock, where there is a timeout."""

UNSUPPORTED = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK})
"""Errors of file systems without locks."""


@contextmanager
def file_lock(
    path: Path,
    *,
    timeout: float | None = None,
    mode: int = 0o600,
    unlink: bool = False,
    ignore_unsupported: bool = False,
    on_wait: Callable[[], object] | None = None,
    timer: Timer = SYSTEM_TIMER,
) -> Iterator[int]:
    """
    Hold the lock at *path* during the block; yield its descriptor. The parameters are those of `acquire_file_lock`.

    A child process that inherits the descriptor keeps the lock until it ends too.

    :param unlink: remove the file before the lock is released. Use it for names that do not come again.
    :raises BlockingIOError: another holder has the lock, and *timeout* is over.
    :raises OSError: the file cannot be opened or locked.
    """
    descriptor = acquire_file_lock(
        path,
        timeout=timeout,
        mode=mode,
        ignore_unsupported=ignore_unsupported,
        on_wait=on_wait,
        timer=timer,
    )
    try:
        yield descriptor
    finally:
        try:
            if unlink:
                path.unlink(missing_ok=True)  # while it is locked: later, it may be the file of another holder
        finally:
            os.close(descriptor)


def acquire_file_lock(
    path: Path,
    *,
    timeout: float | None = None,
    mode: int = 0o600,
    ignore_unsupported: bool = False,
    on_wait: Callable[[], object] | None = None,
    timer: Timer = SYSTEM_TIMER,
) -> int:
    """
    Open *path*, creating it if needed, and lock it; return the descriptor. To close it releases the lock.

    The locked file is the one at *path*: if a previous holder has removed or renamed it meanwhile, the new file is
    locked instead. Threads of one process exclude each other, too. Programs that this process starts do not inherit
    the descriptor (O_CLOEXEC); `os.fork` alone does pass it on.

    :param timeout: seconds to wait for the lock: None waits without limit, 0 does not wait. Any other value polls.
    :param mode: the permission bits of a new file, less the umask.
    :param ignore_unsupported: on a file system without locks return the descriptor without a lock.
    :param on_wait: called once, if another holder has the lock, before the wait.
    :param timer: the clock of the timeout, and the pauses between two attempts.
    :raises BlockingIOError: another holder has the lock, and *timeout* is over.
    :raises OSError: the file cannot be opened or locked.
    """
    deadline = None if timeout is None else timer.clock() + timeout
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if deadline is not None and timer.clock() >= deadline:
                    raise
                if on_wait is not None:
                    on_wait()
                    on_wait = None
                if deadline is None:
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                else:
                    os.close(descriptor)
                    descriptor = -1
                    timer.sleep(min(POLL_INTERVAL, max(0.0, deadline - timer.clock())))
                    continue
            except OSError as error:
                if not (ignore_unsupported and error.errno in UNSUPPORTED):
                    raise
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    locked, descriptor = descriptor, -1
                    return locked
        finally:
            if descriptor >= 0:
                os.close(descriptor)
