from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import AsyncExitStack

import pytest

from airflow_dlaas._util.shared import SharedPerLoop


class Client:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


def unused():
    raise AssertionError("there is an object already")


def test_holders_of_one_key_share_one_object():
    async def main():
        clients = SharedPerLoop(Client.close)
        async with clients.hold("a", Client) as one, clients.hold("a", unused) as two:
            assert one is two

    asyncio.run(main())


def test_holders_of_different_keys_share_nothing():
    async def main():
        clients = SharedPerLoop(Client.close)
        async with clients.hold("a", Client) as one, clients.hold("b", Client) as two:
            assert one is not two

    asyncio.run(main())


def test_object_is_closed_once_when_the_last_holder_leaves():
    async def main():
        clients = SharedPerLoop(Client.close)
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            client = await first.enter_async_context(clients.hold("a", Client))
            await second.enter_async_context(clients.hold("a", unused))
            await first.aclose()
            assert client.closed == 0
            await second.aclose()
            assert client.closed == 1
        async with clients.hold("a", Client) as another:
            assert another is not client

    asyncio.run(main())


def test_object_is_closed_after_an_error_or_a_cancellation():
    async def main():
        clients, held = SharedPerLoop(Client.close), []

        async def wait():
            async with clients.hold("a", Client) as client:
                held.append(client)
                await asyncio.Event().wait()

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert held[0].closed == 1

    asyncio.run(main())


def test_object_that_cannot_be_made_leaves_no_entry():
    async def main():
        clients = SharedPerLoop(Client.close)
        with pytest.raises(ZeroDivisionError):
            async with clients.hold("a", lambda: 1 // 0):
                pass
        async with clients.hold("a", Client) as client:
            assert client.closed == 0

    asyncio.run(main())


def test_loops_share_nothing():
    clients = SharedPerLoop(Client.close)
    one, two = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        first, second = clients.hold("a", Client), clients.hold("a", Client)
        assert one.run_until_complete(first.__aenter__()) is not two.run_until_complete(second.__aenter__())
        one.run_until_complete(first.__aexit__(None, None, None))
        two.run_until_complete(second.__aexit__(None, None, None))
    finally:
        one.close()
        two.close()


def test_loop_that_has_ended_is_not_kept():
    clients = SharedPerLoop(Client.close)

    async def main():
        async with clients.hold("a", Client):
            return weakref.ref(asyncio.get_running_loop())

    ended = asyncio.run(main())
    gc.collect()
    assert ended() is None
