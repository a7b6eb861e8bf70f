"""The counts of the embedded Swift's account, as ``swift stat`` shows them, follow what is stored."""

from __future__ import annotations

import shutil
from pathlib import Path

import swiftclient

from tests.integration.objectstore.conftest import connected, swift_in
from tests.waiting import until


def counts(client: swiftclient.Connection) -> tuple[int, int, int]:
    """Return the account's numbers of containers, objects and bytes."""
    headers = client.head_account()
    return tuple(int(headers[f"x-account-{kind}"]) for kind in ("container-count", "object-count", "bytes-used"))  # type: ignore[return-value]


def test_counts_follow_uploads_and_deletions_in_all_containers(tmp_path: Path) -> None:
    with swift_in(tmp_path) as swift, connected(swift.login) as client:
        for container in ("data", "data_segments", "Zürich/ 1".replace("/", "_")):
            client.put_container(container)
            client.put_object(container, "a/é", b"12345")
            client.put_object(container, "b", b"1234567")
        until(lambda: counts(client), lambda seen: seen == (3, 6, 36))
        listed = {one["name"]: (one["count"], one["bytes"]) for one in client.get_account()[1]}
        assert set(listed.values()) == {(2, 12)}
        client.put_object("data", "b", b"1")  # replaced: fewer bytes, as many objects
        client.delete_object("data_segments", "a/é")
        client.delete_object("data_segments", "b")
        until(lambda: counts(client), lambda seen: seen == (3, 4, 18))
        client.delete_container("data_segments")
        until(lambda: counts(client), lambda seen: seen == (2, 4, 18))
        assert "data_segments" not in {one["name"] for one in client.get_account()[1]}


def test_counts_that_were_not_reported_before_the_store_stopped_are_reported_after_its_start(tmp_path: Path) -> None:
    with swift_in(tmp_path) as swift, connected(swift.login) as client:
        client.put_container("data")
        client.put_object("data", "a", b"12345")
        swift.stop()  # before the report, or after it
    with swift_in(tmp_path) as swift, connected(swift.login) as client:
        until(lambda: counts(client), lambda seen: seen == (1, 1, 5))


def test_containers_of_an_account_that_was_lost_are_kept_and_reported_again(tmp_path: Path) -> None:
    with swift_in(tmp_path) as swift, connected(swift.login) as client:
        client.put_container("data")
        client.put_object("data", "a", b"12345")
        until(lambda: counts(client), lambda seen: seen == (1, 1, 5))
        devices = swift._folders.devices / "d1"
        shutil.rmtree(devices / "accounts")
        client.put_object("data", "b", b"123")
        until(swift._folders.log.read_text, lambda log: "its account is missing" in log)
    with swift_in(tmp_path) as swift, connected(swift.login) as client:
        client.put_container("other")  # makes the account again
        assert [one["name"] for one in client.get_container("data")[1]] == ["a", "b"]
        until(lambda: counts(client), lambda seen: seen == (2, 2, 8))
        assert not (devices / "quarantined").exists()


def test_object_whose_listing_failed_is_listed_later(tmp_path: Path) -> None:
    with swift_in(tmp_path) as swift, connected(swift.login) as client:
        client.put_container("data")
        client.put_object("data", "a", b"12345")
        containers = swift._folders.devices / "d1" / "containers"
        containers.rename(containers.with_name("away"))
        client.put_object("data", "b", b"123")
        client.delete_object("data", "a")
        containers.with_name("away").rename(containers)
        until(lambda: [one["name"] for one in client.get_container("data")[1]], lambda seen: seen == ["b"])
        until(lambda: counts(client), lambda seen: seen == (1, 1, 3))
