"""What every word has in common, and the two ways to read one."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, PlainSerializer, TypeAdapter, ValidationError

from airflow_dlaas.errors import Misunderstood

T = TypeVar("T")

MOST_COMPLAINTS = 100
"""Findings told of one document: more help nobody, and an answer must not be many times what was sent."""
LONGEST_STEP = 200
"""Characters told of a key that somebody made up."""
_PLAIN = re.compile(r"[\w…-]+")


class _FirstWrong(FailFast):
    """`FailFast`, which can also stand before ``| None``: pydantic's own is not hashable."""

    __hash__ = object.__hash__


Many = Annotated[tuple[T, ...], _FirstWrong()]
"""What a peer sends many of: the first that is wrong is told, so that no flood of them becomes one of complaints."""


class Word(BaseModel):
    """
    Something both sides say.

    Written by a person, an unknown key is a typo, and refused. Sent by a peer, it is a newer peer's, and
    ignored: read those with `received`. Python names may differ from the page's keys; the wire has the page's.
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


def spell_time(moment: datetime) -> str:
    """
    Spell *moment* as the wire does: ISO 8601 in UTC with milliseconds and ``Z``.

    One at the end of all years that is out of range in UTC is told without its offset.
    """
    try:
        utc = moment.astimezone(timezone.utc)
    except OverflowError:
        utc = moment
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


Moment = Annotated[datetime, PlainSerializer(spell_time, return_type=str)]
"""A point in time; on the wire in UTC with milliseconds."""


def received(kind: type[T]) -> Callable[[bytes], T]:
    """
    Say how to read a *kind* that a peer sent: keys we do not know are ignored, at any depth.

    The reader raises `Misunderstood` for what is no *kind* at all.
    """

    def read(content: bytes) -> T:
        try:
            return TypeAdapter(kind).validate_json(content, extra="ignore")
        except ValidationError as error:
            # The peer's values stay out of the message: an echoed definition may hold credentials.
            where = "; ".join(complaints(error))
            raise Misunderstood(f"The service's answer is no {kind.__name__}: {where}") from None

    return read


def complaints(error: ValidationError, *, unless: Callable[[object], bool] | None = None) -> list[str]:
    """
    Put each of pydantic's findings as ``field: sentence``, without the offending value (it may be a secret).

    At most `MOST_COMPLAINTS`; of more, the last says how many there are.

    :param unless: findings about a value for which this is true are left out.
    """
    # A value costs many times what it took on the wire: only where it is asked for.
    found = error.errors(include_url=False, include_input=unless is not None)
    if unless is not None:
        found = [one for one in found if not unless(one["input"])]
    said = [
        f"{spell_path(one['loc'])}: {_sentence(one['type'], one['msg'], one.get('ctx', {}))}"
        for one in found[:MOST_COMPLAINTS]
    ]
    if len(found) > MOST_COMPLAINTS:
        said.append(f"(the whole): and {len(found) - MOST_COMPLAINTS:,} findings more")
    return said


def spell_path(location: tuple[int | str, ...]) -> str:
    """Spell a place in a JSON document as people do: ``training_data[0].source.type``."""
    path = ""
    for step in location:
        if isinstance(step, str):
            step = _spell_key(step)
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or "(the whole)"


def _spell_key(key: str) -> str:
    """Spell a key that somebody made up: shortened, and in quotes where it could be mistaken for something else."""
    if len(key) > LONGEST_STEP:
        key = f"{key[:LONGEST_STEP]}…"
    return key if _PLAIN.fullmatch(key) else repr(key).replace(":", "\\x3a")


def _sentence(kind: str, said: str, context: dict[str, object]) -> str:
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a key of the definition (a typo?)"
        case "value_error":
            return str(context.get("error", said))
        case _:
            return said[:1].lower() + said[1:]
