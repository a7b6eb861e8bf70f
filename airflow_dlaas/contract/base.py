"""What every word has in common, and the two ways to read one."""

from __future__ import annotations

import re
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

from airflow_dlaas.contract.validation_messages import validation_message
from airflow_dlaas.exceptions import ProtocolError

T = TypeVar("T")

MAX_VALIDATION_MESSAGES = 100
"""Findings told of one document: more help nobody, and an answer must not be many times what was sent."""
MAX_KEY_LENGTH = 200
"""Characters told of a key that somebody made up."""
_PLAIN_KEY = re.compile(r"[\w…-]+")


class _HashableFailFast(FailFast):
    """`FailFast`, which can also stand before ``| None``: pydantic's own is not hashable."""

    __hash__ = object.__hash__


ApiList = Annotated[tuple[T, ...], _HashableFailFast()]
"""What a peer sends many of: the first that is wrong is told, so that no flood of them becomes one of complaints."""


Identifier = Annotated[str, Field(min_length=1)]
"""The id of a thing. An empty one would turn a request about the thing into one about the list that it is in."""


class ApiModel(BaseModel):
    """
    Something both sides say.

    Written by a person, an unknown key is a typo, and refused. Sent by a peer, it is a newer peer's, and
    ignored: read those with `parse_response`. Python names may differ from the page's keys; the wire has the page's.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        ser_json_inf_nan="strings",  # a loss may be NaN, for which JSON has no number: the string reads back as one
        defer_build=True,  # a DAG file that checks its definition pays for the models it uses, not for all
    )


class RequestModel(ApiModel):
    """A document that clients send, or a part of one: a key with null is the same as a key left out."""

    @model_validator(mode="before")
    @classmethod
    def _drop_null_keys(cls, value: Any) -> Any:
        """Drop keys whose value is null: a key that is required then is missing; an unknown one is still refused."""
        if type(value) is dict and None in value.values():
            known = _known_keys(cls)
            return {key: inner for key, inner in value.items() if inner is not None or key not in known}
        return value


@cache
def _known_keys(model: type[BaseModel]) -> frozenset[str]:
    """Every spelling of every key that *kind* has."""
    aliases = (field.alias for field in model.model_fields.values() if field.alias)
    return frozenset((*model.model_fields, *aliases))


def format_time(moment: datetime) -> str:
    """
    Spell *moment* as the wire does: ISO 8601 in UTC with milliseconds and ``Z``.

    One at the end of all years that is out of range in UTC is told without its offset.
    """
    try:
        utc = moment.astimezone(timezone.utc)
    except OverflowError:
        utc = moment
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


Timestamp = Annotated[datetime, PlainSerializer(format_time, return_type=str)]
"""A point in time; on the wire in UTC with milliseconds."""


def parse_response(response_type: type[T]) -> Callable[[bytes], T]:
    """
    Return what reads a *kind* that a peer sent: keys we do not know are ignored, at any depth; null means absent.

    The reader raises `ProtocolError` for what is no *kind* at all.
    """

    def read(content: bytes) -> T:
        adapter = TypeAdapter(response_type)
        try:
            return adapter.validate_json(content, extra="ignore")
        except ValidationError as error:
            # Null means absent. Looked for only now: most replies hold none, and a pass in Python doubles the time.
            if b"null" in content:
                with suppress(ValueError):  # what is wrong besides is reported as it was sent
                    return adapter.validate_python(without_nulls(from_json(content)), extra="ignore")
            # The peer's values stay out of the message: an echoed definition may hold credentials.
            where = "; ".join(validation_messages(error))
            raise ProtocolError(f"The service's answer is no {response_type.__name__}: {where}") from None

    return read


def _require_string_or_object(value: Any) -> Any:
    # By hand: of a union pydantic reports one finding for each of its types.
    if isinstance(value, str) or (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
        return value
    raise ValueError("must be a string or an object")


def _require_list_or_object(value: Any) -> Any:
    if isinstance(value, list) or (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
        return value
    raise ValueError("must be a list or an object")


Author = Annotated[str | dict[str, Any], BeforeValidator(_require_string_or_object)]
"""Who wrote something: a name [page], or an object with name and e-mail address [client]."""

OpaqueJson = Annotated[list[Any] | dict[str, Any], BeforeValidator(_require_list_or_object)]
"""JSON that is stored and echoed as it was sent, and read by no part of this package."""


def without_nulls(value: Any) -> Any:
    """Copy a JSON value without the keys whose value is null, at any depth; elements of lists stay."""
    match value:
        case dict():
            return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
        case list():
            return [without_nulls(inner) for inner in value]
        case _:
            return value


def validation_messages(error: ValidationError, *, skip_if: Callable[[object], bool] | None = None) -> list[str]:
    """
    Put each of pydantic's findings as ``field: sentence``, without the offending value (it may be a secret).

    At most `MAX_VALIDATION_MESSAGES`; of more, the last says how many there are.

    :param skip_if: findings about a value for which this is true are left out; a key that is not known is none, whatever
        its value.
    """
    # A value costs many times what it took on the wire: only where it is asked for.
    found = error.errors(include_url=False, include_input=skip_if is not None)
    if skip_if is not None:
        found = [one for one in found if one["type"] == "extra_forbidden" or not skip_if(one["input"])]
    said = [
        f"{format_path(one['loc'])}: {validation_message(one['type'], one.get('ctx', {}))}"
        for one in found[:MAX_VALIDATION_MESSAGES]
    ]
    if len(found) > MAX_VALIDATION_MESSAGES:
        said.append(f"(the whole): and {len(found) - MAX_VALIDATION_MESSAGES:,} findings more")
    return said


def format_path(location: tuple[int | str, ...]) -> str:
    """Spell a place in a JSON document as people do: ``training_data[0].source.type``."""
    path = ""
    for step in location:
        if isinstance(step, str):
            step = _format_key(step)
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or "(the whole)"


def _format_key(key: str) -> str:
    """Spell a key that somebody made up: shortened, and in quotes where it could be mistaken for something else."""
    if len(key) > MAX_KEY_LENGTH:
        key = f"{key[:MAX_KEY_LENGTH]}…"
    return key if _PLAIN_KEY.fullmatch(key) else repr(key).replace(":", "\\x3a")
