"""The check of an entry runs once for each content of it."""

from __future__ import annotations

import threading

from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry
from airflow_dlaas.service.runtimes.entry_checks import EntryChecks


def entry(kind: str = "prefix", **more: object) -> CatalogueEntry:
    keys = {"framework": "caffe", "version": "1", "provides": "x", "path": ["/opt"], "image": "a/b"}
    return CatalogueEntry.model_validate({**keys, "kind": kind, **more})


class Check:
    """A check that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _: CatalogueEntry) -> str | None:
        self.calls += 1
        return f"reason {self.calls}"


def test_same_entry_is_checked_once_and_a_changed_one_again() -> None:
    check = Check()
    checks = EntryChecks(check)
    assert [checks(entry()), checks(entry()), checks(entry(aliases=["1.0"]))] == ["reason 1"] * 3
    assert checks(entry(probe="true")) == "reason 2"
    assert checks(entry()) == "reason 1"


def test_container_is_checked_at_each_call() -> None:
    checks = EntryChecks(Check())
    assert [checks(entry("container")), checks(entry("container"))] == ["reason 1", "reason 2"]


def test_slow_check_delays_no_other_entry_and_is_shared() -> None:
    begun, released, slow_calls = threading.Event(), threading.Event(), []

    def check(one: CatalogueEntry) -> str | None:
        if one.version == "slow":
            slow_calls.append(one)
            begun.set()
            assert released.wait(30)
            return "late"
        return None

    checks = EntryChecks(check)
    found: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(checks(entry(version="slow"))), daemon=True) for _ in range(4)
    ]
    for one in threads:
        one.start()
    assert begun.wait(30)
    assert checks(entry()) is None  # while the other check runs
    released.set()
    for one in threads:
        one.join(30)
    assert (found, len(slow_calls)) == (["late"] * 4, 1)
