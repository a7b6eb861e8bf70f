"""Where credentials and data of a definition may go: to stores that the site allows, storage URLs included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import REVEAL_SECRETS, StoreConnection
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer
from tests.redirector import STATUSES, Server, serving


def place(url: str) -> str:
    return urlsplit(url).netloc


@dataclass
class Site:
    """A service that allows two logins, and the embedded store."""

    service: ServiceProcess
    customer: Customer
    login: Server
    """Allowed; it lets everybody in, and says where their data lies."""
    thief: Server
    """Not allowed."""

    def submit(self, field: str, connection: dict[str, Any]) -> requests.Response:
        """The answer to a definition whose *field* has another connection."""
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
def site(tmp_path_factory: pytest.TempPathFactory, keystone: StoreConnection) -> Iterator[Site]:
    with ExitStack() as stack:
        thief = stack.enter_context(serving(Server("127.0.0.2")))
        login = stack.enter_context(serving(Server()))
        allowed = f"{place(login.url)},{place(keystone.auth_url)}"
        home = tmp_path_factory.mktemp("stores") / "home"
        service = stack.enter_context(closing(ServiceProcess(home, DLAAS_OBJECT_STORES=allowed)))
        service.start()
        client = stack.enter_context(service.client())
        yield Site(service, Customer(service, client), login, thief)


V1 = {"userId": "a:u", "password": "p4ssw0rd-of-the-tests"}


@pytest.mark.parametrize("field", ["training_data[0]", "training_results"])
def test_a_storage_url_on_a_host_that_is_not_allowed_is_refused_at_submit(site: Site, field: str) -> None:
    site.login.headers = {"X-Storage-Url": f"{site.thief.url}/v1/AUTH_a", "X-Auth-Token": "a-token"}
    reply = site.submit(field, {"auth_url": f"{site.login.url}/auth/v1.0", **V1})
    (error,) = reply.json()["errors"]
    assert (reply.status_code, error["code"]) == (400, "C103")
    assert error["target"]["name"] == f"{field}.connection.auth_url"
    assert f"the operator of the service adds {place(site.thief.url)} to DLAAS_OBJECT_STORES" in error["message"]
    assert site.thief.asked == []
    assert not [one for one in (V1["password"], "a-token") if one in reply.text]


@pytest.mark.parametrize(
    "url",
    ["http://user@{thief}/v1/a", "//{thief}/v1/a", "http:\\\\{thief}/", "ftp://{thief}/", "{thief}", "/v1/a", "x"],
)
def test_a_storage_url_that_hides_its_host_is_refused_too(site: Site, url: str) -> None:
    site.login.headers = {"X-Storage-Url": url.format(thief=place(site.thief.url)), "X-Auth-Token": "a-token"}
    reply = site.submit("training_data[0]", {"auth_url": f"{site.login.url}/auth/v1.0", **V1})
    (error,) = reply.json()["errors"]
    assert (reply.status_code, error["code"]) == (400, "C103")
    assert "is not plainly the URL of one host" in error["message"]
    assert site.thief.asked == []


def test_keystones_catalogue_leads_to_no_other_host_either(site: Site, keystone: StoreConnection) -> None:
    """Here a real Keystone, whose real Swift is at another port that the site has not named."""
    reply = site.submit("training_data[0]", keystone.model_dump(context=REVEAL_SECRETS, exclude_none=True))
    (error,) = reply.json()["errors"]
    assert (reply.status_code, error["code"]) == (400, "C103")
    assert "is no object store that this site allows" in error["message"]
    assert "DLAAS_OBJECT_STORES" in error["message"]
    assert keystone.password.get_secret_value() not in reply.text


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("path", ["/auth/v1.0", "/v3"])
def test_a_login_that_redirects_is_refused_at_submit_naming_both_hosts(site: Site, path: str, status: int) -> None:
    keystone = {"project_id": "p", "region": "r", "domain_name": "d"} if path == "/v3" else {}
    site.login.target, site.login.status = site.thief.url, status
    try:
        reply = site.submit("training_data[0]", {"auth_url": site.login.url + path, **V1, **keystone})
    finally:
        site.login.target = ""
    (error,) = reply.json()["errors"]
    assert (reply.status_code, error["code"]) == (400, "C103")
    assert error["target"]["name"] == "training_data[0].connection.auth_url"
    assert f"{site.login.url} redirects to {site.thief.url}{path} ({status})" in error["message"]
    assert site.thief.asked == []


@pytest.mark.parametrize("kind", ["swift", "keystone"])
def test_once_the_host_is_named_the_same_definition_trains(
    kind: str, request: pytest.FixtureRequest, own_service: ServiceProcess
) -> None:
    """Login at one host and data at another, as Bluemix had it."""
    real: StoreConnection = request.getfixturevalue(kind)
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
        with SwiftStore.open(StoreConnection.model_validate(connection)) as store:
            for container in (customer.data, customer.results):
                store.create_container(container)
            store.put(customer.data, "numbers.txt", b"1 2 3\n")
        definition = "cat numbers.txt"
        training = customer.end(customer.submit(definition))
        assert training.state is TrainingState.COMPLETED
        assert customer.said(training.id) == "1 2 3\n"
