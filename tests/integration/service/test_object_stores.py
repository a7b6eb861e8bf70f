"""Object stores that a definition may name, including the storage URL in the response to a login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import REVEAL_SECRETS, SwiftStoreConnection
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer
from tests.redirector import STATUSES, Server, serving


def host_port(url: str) -> str:
    return urlsplit(url).netloc


@dataclass
class Site:
    """A service that allows two login hosts and the embedded store."""

    service: ServiceProcess
    customer: Customer
    login: Server
    """An allowed host that accepts each login and returns a storage URL."""
    foreign: Server
    """A host that is not allowed."""

    def submit(self, field: str, connection: dict[str, Any]) -> requests.Response:
        """Submit a definition with another connection in *field*; return the response."""
        definition = self.customer.definition("true")
        (definition["training_results"] if field == "training_results" else definition["training_data"][0])[
            "connection"
        ] = connection
        return requests.post(
            f"{self.customer.client.url}/v3/models",
            json=definition,
            headers={"Authorization": f"Bearer {self.customer.client.token()}"},
            timeout=60,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, keystone: SwiftStoreConnection) -> Iterator[Site]:
    with ExitStack() as stack:
        foreign = stack.enter_context(serving(Server("127.0.0.2")))
        login = stack.enter_context(serving(Server()))
        allowed = f"{host_port(login.url)},{host_port(keystone.auth_url)}"
        home = tmp_path_factory.mktemp("stores") / "home"
        service = stack.enter_context(closing(ServiceProcess(home, DLAAS_OBJECT_STORES=allowed)))
        service.start()
        client = stack.enter_context(service.client())
        yield Site(service, Customer(service, client), login, foreign)


V1 = {"userId": "a:u", "password": "p4ssw0rd-of-the-tests"}


@pytest.mark.parametrize("field", ["training_data[0]", "training_results"])
def test_submit_refuses_a_storage_url_on_a_host_that_is_not_allowed(site: Site, field: str) -> None:
    site.login.headers = {"X-Storage-Url": f"{site.foreign.url}/v1/AUTH_a", "X-Auth-Token": "a-token"}
    reply = site.submit(field, {"auth_url": f"{site.login.url}/auth/v1.0", **V1})
    (error,) = reply.json()["errors"]
    assert (reply.status_code, error["code"]) == (400, "C103")
    assert error["target"]["name"] == f"{field}.connection.auth_url"
    assert f"the operator of the service adds {host_port(site.foreign.url)} to DLAAS_OBJECT_STORES" in error["message"]
    assert site.foreign.asked == []
    assert not [one for one in (V1["password"], "a-token") if one in reply.text]


@pytest.mark.parametrize(
    "url",
    [
        "http://user@{foreign}/v1/a",
        "//{foreign}/v1/a",
        "http:\\\\{foreign}/",
        "ftp://{foreign}/",
        "{foreign}",
        "/v1/a",
        "x",
    ],
)
def test_submit_refuses_a_storage_url_with_an_ambiguous_host(site: Site, url: str) -> None:
    site.login.headers = {"X-Storage-Url": url.format(foreign=host_port(site.foreign.url)), "X-Auth-Token": "a-token"}
    reply = site.submit("training_data[0]", {"auth_url": f"{site.login.url}/auth/v1.0", **V1})
    (error,) = reply.json()["errors"]
    assert (reply.status_code, error["code"]) == (400, "C103")
    assert "is not plainly the URL of one host" in error["message"]
    assert site.foreign.asked == []


def test_submit_refuses_an_endpoint_of_keystone_that_is_not_allowed(site: Site, keystone: SwiftStoreConnection) -> None:
    """A real Keystone, whose Swift is at another port, which the site does not allow."""
    reply = site.submit("training_data[0]", keystone.model_dump(context=REVEAL_SECRETS, exclude_none=True))
    (error,) = reply.json()["errors"]
    assert (reply.status_code, error["code"]) == (400, "C103")
    assert "is no object store that this site allows" in error["message"]
    assert "DLAAS_OBJECT_STORES" in error["message"]
    assert keystone.password.get_secret_value() not in reply.text


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("path", ["/auth/v1.0", "/v3"])
def test_submit_refuses_a_redirected_login_and_names_both_hosts(site: Site, path: str, status: int) -> None:
    keystone = {"project_id": "p", "region": "r", "domain_name": "d"} if path == "/v3" else {}
    site.login.target, site.login.status = site.foreign.url, status
    try:
        reply = site.submit("training_data[0]", {"auth_url": site.login.url + path, **V1, **keystone})
    finally:
        site.login.target = ""
    (error,) = reply.json()["errors"]
    assert (reply.status_code, error["code"]) == (400, "C103")
    assert error["target"]["name"] == "training_data[0].connection.auth_url"
    assert f"{site.login.url} redirects to {site.foreign.url}{path} ({status})" in error["message"]
    assert site.foreign.asked == []


@pytest.mark.parametrize("kind", ["swift", "keystone"])
def test_definition_is_accepted_after_its_host_was_allowed(
    kind: str, request: pytest.FixtureRequest, own_service: ServiceProcess
) -> None:
    """The login is at one host and the data at another, as on Bluemix."""
    real: SwiftStoreConnection = request.getfixturevalue(kind)
    with ExitStack() as stack:
        connection = real.model_dump(context=REVEAL_SECRETS, exclude_none=True)
        if kind == "swift":
            user = {"X-Auth-User": real.user, "X-Auth-Key": real.password.get_secret_value()}
            granted = requests.get(real.auth_url, headers=user, timeout=30).headers
            headers = {name: granted[name] for name in ("X-Storage-Url", "X-Auth-Token")}
            login = stack.enter_context(serving(Server(headers=headers)))
            connection["auth_url"] = f"{login.url}/auth/v1.0"
        # 127.0.0.1 at any port: login and data.
        own_service.environment["DLAAS_OBJECT_STORES"] = "127.0.0.1"
        own_service.start()
        client = stack.enter_context(own_service.client())
        customer = Customer(own_service, client)
        customer.store = connection
        with SwiftStore.open(SwiftStoreConnection.model_validate(connection)) as store:
            for container in (customer.data, customer.results):
                store.create_container(container)
            store.put(customer.data, "numbers.txt", b"1 2 3\n")
        definition = "cat numbers.txt"
        training = customer.end(customer.submit(definition))
        assert training.state is TrainingState.COMPLETED
        assert customer.command_output(training.id) == "1 2 3\n"
