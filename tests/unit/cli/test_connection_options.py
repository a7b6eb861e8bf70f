"""By which files and variables the console finds a service and an object store."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_dlaas._util.timer import Timer
from airflow_dlaas.cli.connection_options import (
    START_TIMEOUT,
    find_store,
    open_client,
    read_store_connection,
    wait_for_first_start,
)
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import NotConfigured, Unreachable
from airflow_dlaas.service.config.data_dir import DataDir

SWIFT = {"conn_type": "swift", "host": "http://here:1/auth", "login": "u", "password": "secret-of-a-file"}
SERVICE = {"conn_type": "dlaas", "host": "http://here:2", "login": "u", "password": "secret-of-a-file"}
VARIABLES = {"ST_AUTH": "http://variable:1/auth", "ST_USER": "v", "ST_KEY": "secret-of-a-variable"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data directory that no variable names; all variables of the console are unset."""
    for name in [one for one in os.environ if one.startswith(("DLAAS_", "ST_", "AWS_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    return tmp_path


def write(home: Path, document: object) -> None:
    (home / "connections.json").write_text(json.dumps(document))


def set_all(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_store_of_the_file_has_priority_over_the_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, {"swift_default": SWIFT})
    set_all(monkeypatch, VARIABLES)
    assert find_store(home).connection == {
        "auth_url": "http://here:1/auth",
        "userId": "u",
        "password": SWIFT["password"],
    }
    assert "secret" not in repr(find_store(home))


def test_variables_are_used_without_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, VARIABLES)
    expected = {"auth_url": "http://variable:1/auth", "userId": "v", "password": "secret-of-a-variable"}
    assert find_store(home).connection == expected
    assert read_store_connection(home, "swift_default") == expected  # as a definition names it
    with pytest.raises(NotConfigured, match="'other'"):
        find_store(home, "other")


def test_incomplete_variables_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"ST_AUTH": "http://x"})
    with pytest.raises(NotConfigured, match="ST_USER and ST_KEY must be set"):
        find_store(home)


def test_unknown_connection_is_reported_with_the_known_ones(home: Path) -> None:
    write(home, {"swift_default": SWIFT, "archive": SWIFT, "dlaas_default": SERVICE})
    for name in ("foo", "dlaas_default"):
        with pytest.raises(NotConfigured, match=rf"'{name}' to an object store in .*; it has archive, swift_default"):
            find_store(home, name)


def test_store_of_another_service_is_used_only_by_its_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, {"swift_default": SWIFT, "dlaas_default": SERVICE})
    monkeypatch.setenv("DLAAS_URL", "http://elsewhere:2")
    with pytest.raises(NotConfigured, match="DLAAS_URL is unknown: set ST_AUTH, ST_USER and ST_KEY"):
        find_store(home)
    with pytest.raises(NotConfigured, match="DLAAS_URL"):
        read_store_connection(home, "swift_default")  # its secret would go to the other service
    assert find_store(home, "swift_default").connection["auth_url"] == "http://here:1/auth"
    monkeypatch.setenv("DLAAS_URL", "http://here:2/")
    assert find_store(home).connection["auth_url"] == "http://here:1/auth"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ("{}", "connections.json has none"),
        (json.dumps({"swift_default": "swift://u:secret-of-a-file@h"}), "connections.json has none"),
        (json.dumps({"swift_default": {**SWIFT, "host": None}}), "host is missing"),
        (json.dumps({"swift_default": {**SWIFT, "extra": "{"}}), "extra"),
    ],
)
def test_damaged_file_is_reported_without_its_content(home: Path, content: str, words: str) -> None:
    (home / "connections.json").write_text(content)
    with pytest.raises(NotConfigured, match=words) as caught:
        find_store(home)
    assert "secret-of-a-file" not in str(caught.value)


def test_certificate_authorities_come_from_the_variable_or_from_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.exists()
    write(home, {"swift_default": {**SWIFT, "extra": json.dumps({"ca_file": "of-the-file.pem"})}})
    assert find_store(home).verify == "of-the-file.pem"
    monkeypatch.setenv("DLAAS_TLS_CA", str(home / "mine.pem"))
    assert find_store(home).verify == str(home / "mine.pem")


def test_connections_to_clouds_are_found_by_their_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, {"lake": {"conn_type": "aws", "login": "AK", "password": "secret-of-a-file"}})
    monkeypatch.setenv("DLAAS_TLS_CA", str(home / "mine.pem"))
    access = find_store(home, "lake")
    assert (access.store_type, access.verify) == (StoreType.S3, True)
    set_all(monkeypatch, {"AWS_ACCESS_KEY_ID": "AK2", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": "https://s3"})
    access = find_store(home, "aws_default")
    assert access.connection == {"access_key_id": "AK2", "secret_access_key": "s", "endpoint_url": "https://s3"}
    assert (access.place, access.verify) == (
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        str(home / "mine.pem"),  # the site's own server
    )
    with pytest.raises(NotConfigured, match="it has lake"):
        find_store(home)  # without a name it is Swift


def test_service_that_was_never_started_is_reported(home: Path) -> None:
    with pytest.raises(NotConfigured, match="no service has been started there"):
        find_store(home)
    with pytest.raises(NotConfigured, match="set DLAAS_URL, DLAAS_USER and DLAAS_PASSWORD"), open_client(home):
        pass


def test_missing_part_of_the_login_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"DLAAS_URL": "http://elsewhere:2", "DLAAS_USER": "u"})
    with pytest.raises(NotConfigured, match="set DLAAS_PASSWORD too"), open_client(home):
        pass


class Clock:
    """A clock that only a pause moves; *on_pause* is called in each."""

    def __init__(self, on_pause: object = None) -> None:
        self.now = 0.0
        self.on_pause = on_pause

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if callable(self.on_pause):
            self.on_pause()

    @property
    def timer(self) -> Timer:
        return Timer(clock=lambda: self.now, sleep=self.sleep)


def test_first_start_of_a_service_is_waited_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "lock").write_text(f"pid {os.getpid()}\n")
    clock = Clock(lambda: (home / "credentials.json").touch())
    wait_for_first_start(DataDir(home), clock.timer)
    assert 0 < clock.now < 1
    assert capsys.readouterr().err == f"The service in {home} (pid {os.getpid()}) is starting; waiting for it\n"


def test_wait_for_a_start_is_bounded(home: Path) -> None:
    (home / "lock").write_text(f"pid {os.getpid()}\n")
    clock = Clock()
    with pytest.raises(Unreachable, match="has not been ready for 30 s"):
        wait_for_first_start(DataDir(home), clock.timer)
    assert START_TIMEOUT <= clock.now < START_TIMEOUT + 1


@pytest.mark.parametrize("lock", [None, "", "pid \n", "pid 99999999999999999999\n", "pid 0x1\n"])
def test_lock_without_a_process_is_no_start(home: Path, lock: str | None) -> None:
    if lock is not None:
        (home / "lock").write_text(lock)
    clock = Clock()
    wait_for_first_start(DataDir(home), clock.timer)
    assert clock.now == 0
