"""A service behind TLS with a certificate that no authority of the system has signed."""

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
from tests.integration.client.conftest import reply, training


@pytest.fixture
def certificate(service, tmp_path):
    """Switch the service to TLS; return the path of its certificate."""
    path = tmp_path / "service.pem"
    context = for_loopback(path)
    service.server.socket = context.wrap_socket(service.server.socket, server_side=True, do_handshake_on_connect=False)
    service.server.handle_error = lambda *_: None  # a client that refuses the certificate closes the connection
    service.url = service.url.replace("http:", "https:")
    service.script["/v3/models/training-a"] = [reply(training())]
    return str(path)


async def follow(client):
    async with aclosing(follow_log(client, "training-a")) as frames:
        return [frame async for frame in frames]


def request(service, verify):
    with Client(service.url, "u", "p", verify=verify) as client:
        return client.send(calls.get_training("training-a"), retries=NO_RETRY)


def test_untrusted_certificate_is_an_error_that_names_the_setting(service, certificate):
    with pytest.raises(NotConfigured, match="authority"):
        request(service, True)


def test_certificate_of_a_named_authority_is_trusted(service, certificate):
    assert request(service, certificate).id == "training-a"


def test_client_without_verification_warns_not(service, certificate):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert request(service, False).id == "training-a"


@pytest.mark.parametrize("trusting", [True, False])
def test_log_stream_trusts_the_same_authorities_as_the_client(service, certificate, trusting):
    with Client(service.url, "u", "p", verify=certificate if trusting else False) as client, pytest.raises(NotFound):
        asyncio.run(follow(client))  # the service has no log stream; its response comes over TLS


def test_log_stream_refuses_the_same_certificates_as_the_client(service, certificate):
    with Client(service.url, "u", "p") as client:
        client.token = lambda **_: "token"  # the client itself cannot get one
        with pytest.raises(NotConfigured, match="not trusted"):
            asyncio.run(follow(client))
