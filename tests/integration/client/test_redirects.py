"""Login, token and code are sent to the service's own URL only, although it redirects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import serve

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.log_stream import follow_log
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.exceptions import ProtocolError
from tests.integration.client.conftest import TIMEOUT, Answer, Service, reply, training
from tests.redirector import STATUSES, Server, serving

PASSWORD = "pass-word-of-the-tests"


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_login_follows_no_redirect(host: str, status: int) -> None:
    token = b'{"token": "stolen"}'
    with serving(Server("127.0.0.2" if host == "127.0.0.2" else "127.0.0.1", body=token)) as there:
        target = f"http://{host}:{there.server_port}"
        with (
            serving(Server(target=target, status=status)) as redirector,
            Client(redirector.url, "dlaas", PASSWORD) as client,
        ):
            with pytest.raises(ProtocolError) as caught:
                client.token()
            assert len(redirector.asked) == 1
            message = str(caught.value)
            assert f"{redirector.url} redirects to {target} ({status})" in message
            assert "set the connection's URL to it" in message
            assert PASSWORD not in message
        assert there.asked == []


def definition() -> TrainingDefinition:
    store = {"auth_url": "http://store/auth/v1.0", "userId": "a:u", "password": "s3cret"}
    place = {"container": "c", "type": "softlayer_objectstore"}
    execution = {"command": "true", "resourceType": "small"}
    framework = {"name": "tensorflow", "version": "1.2-py3"}
    model = {"name": "n", "definition_location": "/v3/x", "framework": framework, "execution": execution}
    return TrainingDefinition.parse(
        {"model_definition": model, "training_data": [{"connection": store, "source": place}]}
    )


CALLS: dict[str, Callable[[Path], calls.Call[Any]]] = {
    "GET": lambda _: calls.get_training("training-a"),
    "GET the list": lambda _: calls.list_trainings(),
    "GET the instance": lambda _: calls.get_instance(),
    "GET a file": lambda path: calls.get_content("/v3/code", path / "code.zip"),
    "POST a training": lambda _: calls.create_training(definition()),
    "POST an experiment": lambda _: calls.create_experiment(
        ExperimentDraft.model_validate({"name": "n", "framework": {"name": "tensorflow", "version": "1.2-py3"}})
    ),
    "PUT bytes": lambda _: calls.put_content("/v3/code", b"code"),
    "PUT a file": lambda path: calls.put_content("/v3/code", path / "here.zip"),
    "PATCH": lambda _: calls.cancel_training("training-a"),
    "DELETE": lambda _: calls.delete_training("training-a"),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", CALLS)
def test_no_call_follows_a_redirect(service: Service, client: Client, tmp_path: Path, name: str, status: int) -> None:
    (tmp_path / "here.zip").write_bytes(b"code")
    call = CALLS[name](tmp_path)
    path = call.path.partition("?")[0]
    with serving(Server("127.0.0.2", body=b"{}")) as there:
        for target in (there.url + path, f"{service.url}/elsewhere"):
            service.script[path] = [Answer(status, headers={"Location": target})]
            before = len(service.requests_to(path))
            where = there.url if target.startswith(there.url) else "another path on the same host"
            with pytest.raises(ProtocolError, match=rf"^{service.url} redirects to {where} \({status}\)"):
                client.send(call)
            assert len(service.requests_to(path)) == before + 1
            assert service.requests_to("/elsewhere") == []
        assert there.asked == []
    assert not (tmp_path / "code.zip").exists()


class TwoServersClient(Client):
    """A client for two servers: HTTP at one port and the WebSocket at another."""

    socket_root = ""

    def websocket_url(self, path: str) -> str:
        return self.socket_root + path


@asynccontextmanager
async def redirecting(service: Service, status: int, target: str) -> AsyncIterator[Client]:
    """Yield a client whose log stream is redirected to *target*."""

    async def handler(_connection: Any) -> None: ...

    async def gate(connection: Any, request: Any) -> Any:
        response = connection.respond(HTTPStatus(status), "")
        response.headers["Location"] = target + request.path
        return response

    async with serve(handler, "127.0.0.1", 0, process_request=gate) as server:
        with TwoServersClient(service.url, "u", PASSWORD, timeout=TIMEOUT) as client:
            client.socket_root = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield client


@pytest.mark.parametrize("status", STATUSES)
def test_log_stream_follows_no_redirect(service: Service, status: int) -> None:
    service.script["/v3/models/training-a"] = [reply(training())]
    reached = []

    async def scenario() -> None:
        async def handler(_connection: Any) -> None: ...

        async def record(_connection: Any, request: Any) -> None:
            reached.append(request.headers.get("Authorization"))

        async with serve(handler, "127.0.0.2", 0, process_request=record) as there:
            target = f"ws://127.0.0.2:{next(iter(there.sockets)).getsockname()[1]}"
            async with redirecting(service, status, target) as client:
                with pytest.raises(ProtocolError, match=rf"redirects to {target} \({status}\).*connection's URL"):
                    await anext(follow_log(client, "training-a"))

    asyncio.run(scenario())
    assert reached == []
