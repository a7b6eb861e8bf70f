"""
A real Swift with a real Keystone v3, a project and a user.

The two run in an environment of their own, so that neither this package nor its tests depend on the sixty packages of
Keystone. `environment` makes it. `servers` starts its programs, ``serve_keystone.py`` and ``serve_swift.py``, which no
module imports.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from pydantic import SecretStr

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.service.objectstore.swift_config import LOOPBACK, LaunchConfig
from tests.keystone.servers import started

REGION, BARE_REGION = "dallas", "london"
"""Regions of the Keystone; only the first has a Swift."""

DOMAIN = "1172311"
"""The name of the domain. Bluemix used numbers."""


@dataclass(frozen=True)
class Cloud:
    """A domain with one project and one user, and a Swift in one of two regions: what a customer of Bluemix had."""

    connection: SwiftStoreConnection
    """The credentials in the form of Bluemix: the ids of user and project."""
    user_name: str
    folder: Path
    """The folder of Keystone."""

    def tokens(self) -> list[str]:
        """Return every token that Keystone issued to the user, in their order."""
        notes = [json.loads(line) for line in (self.folder / "issued.jsonl").read_text().splitlines()]
        return [note["token"] for note in notes if note["user"] == self.connection.user_id]

    def revoke(self, token: str) -> None:
        """Revoke *token*."""
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        requests.delete(f"{self.connection.auth_url}/auth/tokens", headers=headers, timeout=30).raise_for_status()


@contextmanager
def running(python: Path, folder: Path, *, port: int, store_port: int) -> Iterator[Cloud]:
    """
    Run Keystone at *port* and its Swift at *store_port* of the loopback address, with their files in *folder*.

    Both servers end with the block, or with this process, even if it is killed.

    :param python: the interpreter of the environment.
    """
    url = f"http://{LOOPBACK}:{port}/v3"
    admin = secrets.token_hex()
    keystone = json.dumps({"port": port, "password": admin}).encode() + b"\n"
    swift = LaunchConfig(LOOPBACK, store_port, "service:swift", secrets.token_hex(), os.getpid())
    # Both start at the same time: the Swift sends no request to Keystone before it receives one.
    with (
        started(python, "serve_keystone.py", keystone, folder / "keystone") as first,
        started(python, "serve_swift.py", swift.to_line(), folder / "swift", url) as second,
    ):
        first.wait_until_ready()
        second.wait_until_ready()
        yield Cloud(_furnish(url, admin, swift), "trainer", folder / "keystone")


def _furnish(url: str, password: str, swift: LaunchConfig) -> SwiftStoreConnection:
    """Create the project and the user, and the service account and the endpoints of the Swift."""
    default = {"user_domain_id": "default", "project_domain_id": "default"}
    me = v3.Password(url, username="admin", password=password, project_name="admin", **default)
    with closing(requests.Session()) as session:
        admin = Adapter(Session(me, session=session), endpoint_override=url)
        domain = _make(admin, "domain", name=DOMAIN)
        project = _make(admin, "project", name="object_storage", domain_id=domain)
        secret = secrets.token_hex()
        user = _make(admin, "user", name="trainer", password=secret, domain_id=domain)
        _grant(admin, "member", user, project)

        service_project, service_user = swift.user.split(":")
        helper = _make(admin, "user", name=service_user, password=swift.key)
        _grant(admin, "service", helper, _make(admin, "project", name=service_project))

        service = _make(admin, "service", type="object-store", name="swift")
        for region in (REGION, BARE_REGION):
            _make(admin, "region", id=region)
        address = f"http://{swift.host}:{swift.port}/v1/AUTH_$(project_id)s"
        _make(admin, "endpoint", service_id=service, interface="public", region_id=REGION, url=address)
    return SwiftStoreConnection(
        auth_url=url, user_id=user, password=SecretStr(secret), project_id=project, region=REGION, domain_name=DOMAIN
    )


def _make(admin: Adapter, kind: str, **fields: str) -> str:
    """Create a *kind*; return its id."""
    made: str = admin.post(f"/{kind}s", json={kind: fields}).json()[kind]["id"]
    return made


def _grant(admin: Adapter, role: str, user: str, project: str) -> None:
    (found,) = admin.get("/roles", params={"name": role}).json()["roles"]
    admin.put(f"/projects/{project}/users/{user}/roles/{found['id']}")
