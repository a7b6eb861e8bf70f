"""Training definitions with any content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.contract.definition import MAX_CONTAINERS, TrainingDefinition
from airflow_dlaas.contract.stores import MASK, REVEAL_SECRETS
from airflow_dlaas.contract.validation_messages import MAX_VALIDATION_MESSAGES
from airflow_dlaas.exceptions import InvalidDefinition, InvalidRequest
from airflow_dlaas.service.api import resource_urls
from airflow_dlaas.service.object_store_allowlist import parse_host_port
from airflow_dlaas.task_runs import definition as written
from tests.fuzz.effort import effort
from tests.unit.service.api.conftest import DEFINITION

SECRET = "hush-8d1f"

# Python's own JSON reader accepts lone surrogates, and a DAG file may have them, too.
TEXT = st.text(max_size=20) | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=15,
)

HOST = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5})?", fullmatch=True)
URL = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https"]),
    HOST,
    st.sampled_from(["", ":8080"]),
    st.sampled_from(["", "/auth/v1.0", "/v3"]),
)
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=30)
CONNECTION = st.fixed_dictionaries(
    {"auth_url": URL, "userId": PLAIN, "password": st.just(SECRET) | PLAIN},
    optional={"user_name": PLAIN, "project_id": PLAIN, "region": PLAIN, "domain_name": PLAIN},
)
PLACE = st.fixed_dictionaries(
    {
        "container": PLAIN.filter(lambda name: name not in {".", ".."}),
        "type": st.sampled_from(["softlayer_objectstore", "bluemix_objectstore"]),
    }
)
VALID = st.fixed_dictionaries(
    {
        "model_definition": st.fixed_dictionaries(
            {
                "name": PLAIN,
                "definition_location": PLAIN,
                "framework": st.fixed_dictionaries(
                    {"name": st.sampled_from(["caffe", "Torch", "tensorflow"]), "version": PLAIN}
                ),
                "execution": st.fixed_dictionaries(
                    {
                        "command": PLAIN.filter(str.strip),
                        "resourceType": st.sampled_from(["small", "medium", "large"]),
                    },
                    optional={"grace": st.integers(0, 86_400)},
                ),
            },
            optional={"description": PLAIN, "author": PLAIN},
        ),
        "training_data": st.lists(
            st.fixed_dictionaries({"connection": CONNECTION, "source": PLACE}), min_size=1, max_size=3
        ),
    },
    optional={
        "training_results": st.fixed_dictionaries({"connection": CONNECTION, "target": PLACE}),
        "metric_definitions": st.lists(
            st.fixed_dictionaries(
                {"name": st.from_regex(r"[a-z/]{1,20}", fullmatch=True), "regex": st.just(r"loss=(\S+)")}
            ),
            max_size=3,
            unique_by=lambda one: one["name"],
        ),
        "recovery": st.fixed_dictionaries(
            {"attempts": st.integers(1, 100)},
            optional={"exit_codes": st.lists(st.integers(1, 255), max_size=5, unique=True)},
        ),
        "resume_from": PLAIN,
    },
)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths of all values in *document*."""
    yield path
    if isinstance(document, dict | list):
        for step, inner in document.items() if isinstance(document, dict) else enumerate(document):
            yield from places(inner, (*path, step))


def read(document: Any) -> TrainingDefinition | tuple[str, ...]:
    """Return the definition, or the messages, which each name a field."""
    try:
        return TrainingDefinition.parse(document)
    except InvalidDefinition as error:
        refused = error
    assert refused.problems
    assert len(refused.problems) <= MAX_VALIDATION_MESSAGES + 1
    assert all(re.match(r"\S.*: \S", one, re.DOTALL) for one in refused.problems)
    assert SECRET not in str(refused)
    assert SECRET not in repr(refused)
    assert refused.__cause__ is None  # pydantic's own message repeats the values
    return refused.problems


@effort(400)
@given(JSON)
def test_any_document_is_a_definition_or_its_fields_are_refused(document: Any) -> None:
    assert not isinstance(read(document), TrainingDefinition)


@effort(400)
@given(VALID, st.data())
def test_damaged_definition_is_read_or_refused_without_its_secrets(document: Any, data: st.DataObject) -> None:
    damaged = deepcopy(document)
    for index, _ in enumerate(damaged["training_data"]):
        damaged["training_data"][index]["connection"]["password"] = SECRET
    for _ in range(data.draw(st.integers(1, 3))):
        paths = [one for one in places(damaged) if one]
        if not paths:  # all values have been dropped
            break
        path = data.draw(st.sampled_from(paths))
        at: Any = damaged
        for step in path[:-1]:
            at = at[step]
        what = data.draw(st.sampled_from(["drop", "replace", "wrap", "credentials"]))
        match what:
            case "drop":
                del at[path[-1]]
            case "replace":
                at[path[-1]] = data.draw(JSON)
            case "wrap":
                at[path[-1]] = {SECRET.swapcase(): [SECRET], "password": at[path[-1]]}
            case _:
                at[path[-1]] = data.draw(
                    st.sampled_from(["http://u:%s@", "//%s@[", "http://[%s"])
                ) % SECRET + data.draw(TEXT | st.sampled_from(["ex℀mple", "host:port", "[::", "h"]))
    found = read(damaged)
    if isinstance(found, TrainingDefinition):
        assert SECRET not in found.model_dump_json(include={"training_data": {"__all__": {"connection": {"password"}}}})


@effort(200)
@given(VALID, st.data())
def test_unknown_key_is_refused_by_its_name(document: Any, data: st.DataObject) -> None:
    name = data.draw(st.from_regex(r"[a-z]{3,12}_x", fullmatch=True))
    inside = [one for one in places(document) if isinstance(_at(document, one), dict)]
    _at(document, data.draw(st.sampled_from(inside)))[name] = data.draw(JSON)
    found = read(document)
    assert isinstance(found, tuple)
    assert any(name in one for one in found)


@effort(200)
@given(VALID)
def test_valid_definition_is_unchanged_after_sending_and_reading(document: Any) -> None:
    read_once = TrainingDefinition.parse(document)
    sent = read_once.model_dump_json(context=REVEAL_SECRETS, exclude_unset=True)
    assert json.loads(sent) == document
    assert TrainingDefinition.parse(json.loads(sent)) == read_once
    assert TrainingDefinition.model_validate_json(sent) == read_once
    masked = read_once.model_dump(mode="json")
    assert {data["connection"]["password"] for data in masked["training_data"]} == {MASK}


@effort(400)
@given(st.one_of(TEXT, URL, st.builds("{}{}".format, URL, TEXT), st.builds("http://{}@{}".format, TEXT, TEXT)))
def test_any_store_url_is_accepted_or_refused_without_a_repetition(url: str) -> None:
    document = deepcopy(DEFINITION)
    document["model_definition"]["definition_location"] = "x"
    document["training_data"][0]["connection"]["auth_url"] = f"{url}"
    found = read(document)
    if isinstance(found, TrainingDefinition):
        assert found.training_data[0].connection.auth_url == url
        parse_host_port(url)
    else:
        assert {one.partition(": ")[0] for one in found} == {"training_data[0].connection.auth_url"}
        assert "http://" in found[0] or "must not carry" in found[0] or "unicode" in found[0]


def test_message_hides_the_credentials_of_an_unparsable_url() -> None:
    document = deepcopy(DEFINITION)
    document["model_definition"]["definition_location"] = "x"
    document["training_data"][0]["connection"]["auth_url"] = f"http://user:{SECRET}@ex℀mple"
    assert read(document) == ("training_data[0].connection.auth_url: must be an http:// or https:// URL",)


@pytest.mark.parametrize("count", [MAX_CONTAINERS + 1, 300_000])
def test_too_many_containers_give_one_message(count: int) -> None:
    found = read(DEFINITION | {"training_data": [{}] * count})
    assert isinstance(found, tuple)
    assert [one for one in found if "training_data" in one] == ["training_data: must name at most 1,000 containers"]


@effort(300)
@given(JSON | VALID | st.text(max_size=50), st.booleans())
def test_definition_of_a_dag_author_is_accepted_or_refused(document: Any, has_location: bool) -> None:
    if isinstance(document, dict):
        try:
            written.require_valid_definition(document, has_location=has_location)
        except InvalidDefinition as error:
            assert error.problems  # noqa: PT017
    try:
        parsed = written.parse_definition(document)
    except InvalidDefinition:
        return
    written.conn_ids(parsed)


@effort(400)
@given(st.one_of(TEXT, URL, st.from_regex(r"(https?://[\[\]:a-z0-9@]{0,12})?/v3/ml_assets/experiments/[a-z/?#]{0,20}")))
def test_any_definition_location_is_parsed_or_refused(location: str) -> None:
    try:
        experiment, version = resource_urls.parse_definition_location(
            location, ["http://dlaas.example:8480", "http://[::1"]
        )
    except InvalidRequest as error:
        assert (error.code, error.target) == ("C101", resource_urls.LOCATION_FIELD)  # noqa: PT017
    else:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", experiment)
        assert version is None or re.fullmatch(r"[A-Za-z0-9_-]{1,64}", version)


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document
