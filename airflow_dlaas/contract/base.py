"""The base classes of the models, their common types, and the reader of responses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json

from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.exceptions import ProtocolError

T = TypeVar("T")


class _HashableFailFast(FailFast):
    """A `FailFast` that is hashable, as an annotation before ``| None`` must be; pydantic's own is not."""

    __hash__ = object.__hash__


ApiList = Annotated[tuple[T, ...], _HashableFailFast()]
"""A list in a response: only the first invalid element is reported, so that many of them do not make a huge error."""


Identifier = Annotated[str, Field(min_length=1)]
"""The id of a resource. With an empty one, a request about the resource would be one about the list that it is in."""


class ApiModel(BaseModel):
    """
    Base class of the API's documents.

    In a document that a person wrote, an unknown key is a typing mistake and refused. In a response, it comes from a
    newer service and is ignored: read responses with `parse_response`. An attribute may have another name than its
    key in JSON.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        ser_json_inf_nan="strings",  # a loss may be NaN, which JSON has not; the string is read back as NaN
        defer_build=True,  # a DAG file that checks its definition builds the models that it uses, not all of them
    )


class RequestModel(ApiModel):
    """A document of a request, or a part of one. A key with null is the same as a missing key."""

    @model_validator(mode="before")
    @classmethod
    def _drop_null_keys(cls, value: Any) -> Any:
        """Drop keys whose value is null: a required one is then missing; an unknown one stays, and is refused."""
        if isinstance(value, dict) and None in value.values():
            known = _known_keys(cls)
            return {key: inner for key, inner in value.items() if inner is not None or key not in known}
        return value


@cache
def _known_keys(model: type[BaseModel]) -> frozenset[str]:
    """Return the names and the aliases of all fields of *model*."""
    aliases = (field.alias for field in model.model_fields.values() if field.alias)
    return frozenset((*model.model_fields, *aliases))


def format_time(moment: datetime) -> str:
    """
    Return *moment* as the API writes it: ISO 8601 in UTC with milliseconds and ``Z``.

    For a time at the end of the year 9999 that UTC cannot represent, the offset is dropped.
    """
    try:
        utc = moment.astimezone(timezone.utc)
    except OverflowError:
        utc = moment
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


Timestamp = Annotated[datetime, PlainSerializer(format_time, return_type=str)]
"""A point in time; in JSON in UTC with milliseconds."""


def parse_response(response_type: type[T]) -> Callable[[bytes], T]:
    """
    Return a function that reads a response: unknown keys are ignored at any depth, and null means absent.

    The function raises `ProtocolError` for content that is not a *response_type*.
    """

    def read(content: bytes) -> T:
        adapter = TypeAdapter(response_type)
        try:
            return adapter.validate_json(content, extra="ignore")
        except ValidationError as error:
            # Null means absent. Checked only now: most responses have no null, and a pass in Python doubles the time.
            if b"null" in content:
                with suppress(ValueError):  # for any other error, the one of the content as it was sent is reported
                    return adapter.validate_python(without_nulls(from_json(content)), extra="ignore")
            # The message has no values of the response: an echoed definition may have credentials.
            problems = "; ".join(validation_messages(error))
            raise ProtocolError(f"The service's response is not a {response_type.__name__}: {problems}") from None

    return read


def _require_string_or_object(value: Any) -> Any:
    # Not by the type: for a union, pydantic reports one error for each of its members.
    if isinstance(value, str) or (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
        return value
    raise ValueError("must be a string or an object")


def _require_list_or_object(value: Any) -> Any:
    if isinstance(value, list) or (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
        return value
    raise ValueError("must be a list or an object")


Author = Annotated[str | dict[str, Any], BeforeValidator(_require_string_or_object)]
"""An author: a name (documentation of 2017), or an object with name and e-mail address (clients of 2017)."""

OpaqueJson = Annotated[list[Any] | dict[str, Any], BeforeValidator(_require_list_or_object)]
"""JSON that is stored and returned as it was sent; no part of this package reads it."""


def without_nulls(value: Any) -> Any:
    """Copy a JSON value without the keys whose value is null, at any depth; elements of lists stay."""
    match value:
        case dict():
            return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
        case list():
            return [without_nulls(inner) for inner in value]
        case _:
            return value
