"""The deletion of what the rules do not keep."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dlaas.client.calls import Call
from airflow_dlaas.exceptions import ProtocolError, StoreRefused
from airflow_dlaas.pruning import prune
from airflow_dlaas.pruning.delete import delete_folder
from airflow_dlaas.pruning.rules import PruneRules
from tests.memory_store import MemoryStore
from tests.unit.pruning.trainings import document, training_id

RULES = PruneRules(keep=1)


class Service:
    """A client of a service with some trainings, each on a page of its own."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.documents = documents

    def send(self, call: Call[Any]) -> Any:
        number = int(call.path.partition("page=")[2] or 0)
        page: dict[str, Any] = {"resources": list(self.documents[number : number + 1])}
        if number + 1 < len(self.documents):
            page["next"] = {"url": f"/v3/models?page={number + 1}"}
        return call.parse(json.dumps(page).encode())

    def path_from_url(self, url: str) -> str:
        return url


def objects(*letters: str) -> dict[str, bytes]:
    files = (".dlaas-training", "model/w", ".dlaas-checkpoints/1/content/0-1")
    return {f"{training_id(letter)}/{file}": b"1" for letter in letters for file in files}


OTHER = {"train/x": b"data", f"{training_id('b')}x/model/w": b"3"}


class ListingStore(MemoryStore):
    """A store that lists one level of a container, and refuses to list the containers in `refused`."""

    refused: frozenset[str] = frozenset()

    def list_dir(self, container: str, folder: str = "", *, limit: int = 0) -> Any:
        if container in self.refused:
            raise StoreRefused(f"no access to {container}")
        self.check(container)
        return iter([name for name in self.containers[container] if name.startswith(folder)][:limit])


SERVICE: Any = Service(document("a", 1), document("b", 2), document("c", 3), document("d", 4))


def test_only_the_folders_of_results_that_no_rule_keeps_are_deleted() -> None:
    store = ListingStore(**objects("a", "b", "c"), **OTHER)
    planned = prune.plan(SERVICE, store, RULES)
    assert store.objects == objects("a", "b", "c") | OTHER
    done = prune.delete(store, planned)
    assert store.objects == objects("a") | OTHER
    assert done.counts == {training_id("b"): 3, training_id("c"): 3}
    assert not done.problems
    again = prune.plan(SERVICE, store, RULES)
    assert [one.training.id for one in again.decisions] == [training_id("a")]
    assert not again.deletions


def test_results_in_a_container_that_cannot_be_listed_are_a_problem_and_stay() -> None:
    store = ListingStore(**objects("a", "b"))
    store.refused = frozenset({"closed"})
    closed = {"training_results": {"location": {"container": "closed", "model_location": training_id("c")}}}
    gone = {"training_results": {"location": {"container": "gone", "model_location": training_id("d")}}}
    listed = [document("a", 1), document("b", 2), document("c", 3, entity=closed), document("d", 4, entity=gone)]
    service: Any = Service(*listed)
    done = prune.delete(store, prune.plan(service, store, RULES))
    assert done.problems == {training_id("c"): "no access to closed"}
    assert store.objects == objects("a")


def test_nothing_is_planned_if_a_training_cannot_be_read() -> None:
    unreadable = document("b", 2, state="of-the-future")
    service: Any = Service(document("a", 1), unreadable)
    with pytest.raises(ProtocolError, match=training_id("b")):
        prune.plan(service, ListingStore(**objects("a", "b")), RULES)


def test_the_marker_is_deleted_last() -> None:
    class Breaking(MemoryStore):
        def delete(self, container: str, names: Any) -> None:
            names = list(names)
            assert not any(one.endswith(".dlaas-training") for one in names) or len(self.objects) == 1
            super().delete(container, names)

    store = Breaking(**objects("b"))
    assert delete_folder(store, "c", training_id("b")) == 3
    assert not store.objects


def test_the_whole_container_is_no_folder_of_results() -> None:
    store = MemoryStore(**objects("b"))
    assert delete_folder(store, "c", "") == 0
    assert store.objects == objects("b")
