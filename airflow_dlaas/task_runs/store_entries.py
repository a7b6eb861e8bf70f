"""
The stores in a definition as a DAG author writes it: sources of data and the target of results, by connection id.

Sent is the store's type and its credentials instead. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.parameters.checks import is_runtime_value

if TYPE_CHECKING:
    from airflow_dlaas.contract.store_connections import StoreConnection
    from airflow_dlaas.contract.stores import StoreType

CONTAINER_KEYS = ("source", "target")

ACCEPTED = "of type swift, aws or google_cloud_platform"

MOUNT_TYPE = "mount_volume"

_PLACEHOLDERS: Mapping[str, Mapping[str, Any]] = {
    "swift": {"auth_url": "http://later", "userId": "later", "password": "later"},
    "s3": {"access_key_id": "later", "secret_access_key": "later"},
    "gcs": {"access_token": "later"},
}
"""Valid connections by kind of store, for the checks while the DAG is parsed."""


@dataclass(frozen=True)
class SentStore:
    """What a definition that is sent has in the place of a connection's id."""

    store_type: StoreType
    credentials: StoreConnection | Mapping[str, Any] = field(repr=False)
    conn_type: str = ""
    """The type of the connection, for messages."""


def placeholder_store(_: str, store_type: object) -> SentStore:
    """Return a store for a check while the DAG is parsed: of *store_type*, if that is known, or else of any type."""
    from airflow_dlaas.contract.stores import StoreKind, StoreType

    known = {str(one) for one in StoreType if one.kind is not StoreKind.MOUNT}
    type_ = StoreType(str(store_type)) if str(store_type) in known else StoreType.SOFTLAYER
    return SentStore(type_, _PLACEHOLDERS[str(type_.kind)])


def with_stores(document: Mapping[str, Any], get_store: Callable[[str, object], SentStore]) -> dict[str, Any]:
    """
    Return *document* with the credentials of each store, and with its type where that is left out.

    :param get_store: returns the store of a connection's id; it receives the type in *document* too, if there is one.
    :raises InvalidDefinition: a connection is missing or has another type; the error names each such field.
    """
    problems = [
        problem for path, entry in iter_store_entries(document) if (problem := _connection_problem(path, entry))
    ]
    if problems:
        raise InvalidDefinition(problems)

    def complete(path: str, entry: Any) -> Any:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("connection"), str):
            return entry
        key = next((one for one in CONTAINER_KEYS if isinstance(entry.get(one), Mapping)), None)
        container = entry[key] if key is not None else {}
        given = container.get("type")
        store = get_store(entry["connection"], given)
        if problem := _type_problem(given, store):
            problems.append(f"{path}.{key}.type: {problem}")
        filled = {**entry, "connection": store.credentials}
        return {**filled, key: {**container, "type": str(store.store_type)}} if key and given is None else filled

    filled = dict(document)
    data = filled.get("training_data")
    if isinstance(data, (list, tuple)):
        filled["training_data"] = [complete(f"training_data[{index}]", entry) for index, entry in enumerate(data)]
    if "training_results" in filled:
        filled["training_results"] = complete("training_results", filled["training_results"])
    if problems:
        raise InvalidDefinition(problems)
    return filled


def iter_store_entries(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the path and the entry of each store that needs a connection: not those of mounted folders."""
    data = document.get("training_data")
    if isinstance(data, (list, tuple)):
        for index, entry in enumerate(data):
            if isinstance(entry, Mapping) and not _is_mount(entry):
                yield f"training_data[{index}]", entry
    results = document.get("training_results")
    if isinstance(results, Mapping):
        yield "training_results", results


def results_entry(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the entry of the container of the results; None if *document*, which must be valid, names no container."""
    entries = dict(iter_store_entries(document))
    return entries.get("training_results") or next(iter(entries.values()), None)


def container_of(entry: Mapping[str, Any]) -> str:
    """Return the container of an entry; the entry must be valid."""
    container = entry.get("target") or entry["source"]
    return str(container.get("container") or container["bucket"])


def _is_mount(entry: Mapping[str, Any]) -> bool:
    source = entry.get("source")
    return isinstance(source, Mapping) and source.get("type") == MOUNT_TYPE


def _connection_problem(path: str, entry: Mapping[str, Any]) -> str | None:
    name = entry.get("connection")
    if name is None or (isinstance(name, str) and not name.strip()):
        defect = "missing" if name is None else "empty"
        return f"{path}.connection: is {defect}: name an Airflow connection {ACCEPTED}"
    if isinstance(name, Mapping):
        return (
            f"{path}.connection: must be the id of an Airflow connection {ACCEPTED}. The credentials belong "
            "in that connection; in the definition, the UI would show them"
        )
    return None


def _type_problem(given: object, store: SentStore) -> str | None:
    """Return why the type in a definition is not that of the store; an unknown type is an error of the contract."""
    from airflow_dlaas.contract.stores import StoreType

    if given is None or is_runtime_value(given) or str(given) not in {str(one) for one in StoreType}:
        return None
    if StoreType(str(given)).kind is store.store_type.kind:
        return None
    return (
        f"is {given}, but its connection is of type {store.conn_type}: leave the type out, or name another connection"
    )
