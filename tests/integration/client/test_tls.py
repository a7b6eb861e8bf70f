"""A service behind TLS with a certificate that only those trust who are told to."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import aclosing

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.log_stream import follow_log
from airflow_dlaas.exceptions import NotConfigured, NotFound
from tests.certificates import for_loopback
from tests.integration.client.conftest import say, training


@pytest.fixture
def certificate(service, tmp_path):
    """Turn the service to TLS; the path of its certificate."""
    path = tmp_path / "service.pem"
    context = for_loopback(path)
    service.server.socket = context.wrap_socket(service.server.socket, server_side=True, do_handshake_on_connect=False)
    service.server.handle_error = lambda *_: None  # who is refused hangs up
    service.url = service.url.replace("http:", "https:")
    service.script["/v3/models/training-a"] = [say(training())]
    return str(path)


async def listen(client):
    async with aclosing(follow_log(client, "training-a")) as frames:
        return [frame async for frame in frames]


def ask(service, verify):
    with Client(service.url, "u", "p", verify=verify) as client:
        return client.send(calls.get_training("training-a"), retries=NO_RETRY)


def test_a_certificate_nobody_vouches_for_is_an_error_that_says_what_to_do(service, certificate):
    with pytest.raises(NotConfigured, match="authority"):
        ask(service, True)


def test_a_named_authority_is_trusted(service, certificate):
    assert ask(service, certificate).id == "training-a"


def test_trusting_anybody_is_silent(service, certificate):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ask(service, False).id == "training-a"


@pytest.mark.parametrize("trusting", [True, False])
def test_the_socket_trusts_whom_the_client_trusts(service, certificate, trusting):
    with Client(service.url, "u", "p", verify=certificate if trusting else False) as client, pytest.raises(NotFound):
        asyncio.run(listen(client))  # there is no monitor, and it says so over TLS


def test_the_socket_distrusts_whom_the_client_distrusts(service, certificate):
    with Client(service.url, "u", "p") as client:
        client.token = lambda **_: "token"  # the client itself would not get one
        with pytest.raises(NotConfigured, match="not trusted"):
            asyncio.run(listen(client))
