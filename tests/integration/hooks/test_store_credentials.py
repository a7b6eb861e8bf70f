"""Credentials of object stores from profiles, roles and the machine, against moto's STS and instance metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection
from moto.server import ThreadedMotoServer

from airflow_dlaas.contract.store_connections import S3StoreConnection
from airflow_dlaas.exceptions import NotConfigured, StoreUnreachable
from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection, read_store_connection
from airflow_dlaas.task_runs.sent_stores import find_sent_stores
from tests.conftest import free_port

ROLE = "arn:aws:iam::123456789012:role/trainer"


@pytest.fixture(scope="module")
def aws_server() -> Iterator[str]:
    """The URL of a server with AWS's API."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def aws_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the files of AWS, which are empty; no credentials are in the environment or on the machine."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return tmp_path


def aws(login: str | None = None, password: str | None = None, **extra: Any) -> ObjectStoreConnection:
    return read_store_connection(
        Connection(conn_id="lake", conn_type="aws", login=login, password=password, extra=json.dumps(extra))
    )


def keys_of(connection: ObjectStoreConnection) -> S3StoreConnection:
    found = connection.find_credentials().connection
    assert isinstance(found, S3StoreConnection)
    return found


def test_profile_gives_keys_region_and_endpoint(aws_files: Path) -> None:
    (aws_files / "credentials").write_text("[lake]\naws_access_key_id = AKIA\naws_secret_access_key = hidden\n")
    (aws_files / "config").write_text(
        "[profile lake]\nregion = eu-west-1\nservices = own\n[services own]\ns3 =\n  endpoint_url = http://minio:9000\n"
    )
    found = keys_of(aws(profile_name="lake"))
    assert (found.user, found.secret, found.url, found.region) == ("AKIA", "hidden", "http://minio:9000", "us-east-1")
    assert aws(profile_name="lake").find_credentials().describe_end(datetime.now(timezone.utc)) is None
    assert keys_of(aws(profile_name="lake", region_name="eu-west-2", endpoint_url="http://h")).url == "http://h"


def test_missing_profile_and_missing_credentials_are_named() -> None:
    with pytest.raises(NotConfigured, match=r"^Connection 'lake': there is no profile 'nope' \(profile_name"):
        aws(profile_name="nope").find_credentials()
    with pytest.raises(NotConfigured, match=r"^Connection 'lake': has no access key id .* no other credentials"):
        aws().find_credentials()


def test_environment_gives_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://minio:9000")
    found = keys_of(aws())
    assert (found.user, found.secret, found.url) == ("AKIA", "hidden", "http://minio:9000")


def test_role_gives_temporary_keys_that_are_renewed(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws_server)
    connection = aws("AKIA", "hidden", role_arn=ROLE, external_id="external", region_name="us-east-1")
    found = connection.find_credentials()
    assert isinstance(found.connection, S3StoreConnection)
    assert found.connection.user.startswith("ASIA")
    assert found.connection.session_token is not None
    assert found.expires is not None
    assert found.expires > datetime.now(timezone.utc) + timedelta(minutes=30)
    assert found.renew is not None
    assert found.renew() == found.connection, "the keys are valid for longer"
    assert "hidden" not in repr(found)


def test_role_with_a_wrong_argument_is_refused_without_its_value() -> None:
    with pytest.raises(
        NotConfigured, match=r"^Connection 'lake': role_arn, external_id or assume_role_kwargs"
    ) as error:
        aws("AKIA", "hidden", role_arn=ROLE, assume_role_kwargs={"ExternalId": ["secret-pw"]}).find_credentials()
    assert "secret-pw" not in str(error.value)


def test_role_that_lasts_for_minutes_is_assumed_again(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are renewed 15 minutes before their end, and these last for as long."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws_server)
    found = aws("AKIA", "hidden", role_arn=ROLE, assume_role_kwargs={"DurationSeconds": 900}).find_credentials()
    assert found.renew is not None
    assert found.renew().user != found.connection.user


def test_web_identity_gives_temporary_keys(aws_server: str, aws_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws_server)
    (aws_files / "token").write_text("a token")
    connection = aws(
        role_arn=ROLE,
        assume_role_method="assume_role_with_web_identity",
        assume_role_with_web_identity_token_file=str(aws_files / "token"),
    )
    assert keys_of(connection).user.startswith("ASIA")
    with pytest.raises(NotConfigured, match="needs the package apache-airflow-providers-amazon"):
        aws("AKIA", "hidden", role_arn=ROLE, assume_role_method="assume_role_with_saml").find_credentials()


def test_machine_gives_the_keys_of_its_role(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws_server)
    found = aws().find_credentials()
    assert isinstance(found.connection, S3StoreConnection)
    assert found.connection.session_token is not None
    assert found.expires is not None
    sent = find_sent_stores({"lake": aws()})
    assert len(sent.warnings) == 1
    assert "The credentials of connection 'lake' are temporary" in sent.warnings[0]
    assert "valid for " in sent.warnings[0]
    assert found.connection.secret not in sent.warnings[0]


def test_sts_that_does_not_respond_is_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreUnreachable, match=r"^Connection 'lake': the service that issues credentials") as error:
        aws("AKIA", "hidden", role_arn=ROLE).find_credentials()
    assert error.value.transient
    assert "hidden" not in str(error.value)
