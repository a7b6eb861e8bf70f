from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from airflow_dlaas._util.threads import background_thread, run_in_thread, start_in_thread

LIMIT = 30
"""Seconds after which a test that waits for an event fails."""

task = contextvars.ContextVar("task", default="none")


def fail():
    raise KeyError("missing")


# -- start_in_thread -----------------------------------------------------------


def test_start_returns_the_future_of_the_result():
    assert start_in_thread(lambda: 42, name="test").result(LIMIT) == 42


def test_start_returns_the_future_of_the_error():
    with pytest.raises(KeyError, match="missing"):
        start_in_thread(fail, name="test").result(LIMIT)


def test_start_hands_over_errors_that_end_a_process():
    def leave():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        start_in_thread(leave, name="test").result(LIMIT)


def test_start_uses_a_named_daemon_thread_with_the_callers_context():
    token = task.set("train")
    try:
        future = start_in_thread(lambda: (threading.current_thread(), task.get()), name="swift")
    finally:
        task.reset(token)
    thread, found = future.result(LIMIT)
    assert (thread.name, thread.daemon, found) == ("swift", True, "train")


def test_start_makes_a_future_that_cannot_be_canceled():
    go_on = threading.Event()
    future = start_in_thread(lambda: go_on.wait(LIMIT), name="test")
    assert not future.cancel()
    go_on.set()
    assert future.result(LIMIT) is True


def test_start_lets_a_callback_wake_the_waiter():
    woken = threading.Event()
    future = start_in_thread(lambda: 42, name="test")
    future.add_done_callback(lambda _: woken.set())
    assert woken.wait(LIMIT)
    assert future.done()


# -- run_in_thread -------------------------------------------------------------


def test_run_returns_the_result_of_a_daemon_thread():
    thread = asyncio.run(run_in_thread(threading.current_thread))
    assert thread is not threading.current_thread()
    assert thread.daemon


def test_run_raises_the_error():
    with pytest.raises(KeyError, match="missing"):
        asyncio.run(run_in_thread(fail))


def test_run_raises_a_stop_iteration_as_a_runtime_error():
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(run_in_thread(lambda: next(iter(()))))


def test_run_leaves_the_loop_free():
    async def main():
        go_on = threading.Event()
        running = asyncio.ensure_future(run_in_thread(lambda: go_on.wait(LIMIT)))
        await asyncio.sleep(0)
        go_on.set()  # from the loop, which therefore is not blocked
        return await running

    assert asyncio.run(main()) is True


def test_run_has_the_callers_context():
    async def main():
        task.set("train")
        return await run_in_thread(task.get)

    assert asyncio.run(main()) == "train"


def test_run_does_not_wait_for_the_thread_after_a_cancellation():
    """The loop closes while the thread still runs; its late result disturbs nothing."""
    go_on, threads = threading.Event(), []

    def block():
        threads.append(threading.current_thread())
        begun.set()
        return go_on.wait(LIMIT)

    begun = threading.Event()

    async def main():
        running = asyncio.ensure_future(run_in_thread(block))
        await asyncio.sleep(0)
        assert begun.wait(LIMIT)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    (thread,) = threads
    assert thread.is_alive()
    go_on.set()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_run_drops_a_result_that_comes_after_the_cancellation():
    async def main():
        go_on = threading.Event()
        running = asyncio.ensure_future(run_in_thread(lambda: go_on.wait(LIMIT), name="late"))
        await asyncio.sleep(0)
        (thread,) = [one for one in threading.enumerate() if one.name == "late"]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        go_on.set()
        thread.join(LIMIT)
        await asyncio.sleep(0)  # the loop takes the result

    asyncio.run(main())


# -- background_thread ---------------------------------------------------------


def test_background_thread_runs_during_the_block_and_is_joined():
    begun, seen = threading.Event(), []

    def body(done):
        begun.set()
        seen.append(done.wait(LIMIT))

    with background_thread(body, name="test"):
        assert begun.wait(LIMIT)
        assert seen == []
    assert seen == [True]


def test_background_thread_is_joined_after_an_error():
    seen = []
    with pytest.raises(KeyError), background_thread(lambda done: seen.append(done.wait(LIMIT)), name="test"):
        fail()
    assert seen == [True]


def test_background_thread_that_hangs_is_left_after_the_timeout():
    go_on, threads = threading.Event(), []

    def body(_done):
        threads.append(threading.current_thread())
        go_on.wait(LIMIT)

    with background_thread(body, name="test", join_timeout=0):
        pass
    (thread,) = [one for one in threading.enumerate() if one.name == "test"]
    assert thread.daemon
    go_on.set()
    thread.join(LIMIT)
    assert threads == [thread]
