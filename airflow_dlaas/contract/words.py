"""What every word has in common, and the two ways to read one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer, TypeAdapter, ValidationError

from airflow_dlaas.errors import Misunderstood

T = TypeVar("T")


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
    """Spell *moment* as the wire does: ISO 8601 in UTC with milliseconds and ``Z``."""
    utc = moment.astimezone(timezone.utc)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


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


def complaints(error: ValidationError, *, unless: Callable[[object], bool] = lambda _: False) -> list[str]:
    """
    Put each of pydantic's findings as ``field: sentence``, without the offending value (it may be a secret).

    :param unless: findings about a value for which this is true are left out.
    """
    return [
        f"{spell_path(one['loc'])}: {_sentence(one['type'], one['msg'], one.get('ctx', {}))}"
        for one in error.errors(include_url=False)
        if not unless(one["input"])
    ]


def spell_path(location: tuple[int | str, ...]) -> str:
    """Spell a place in a JSON document as people do: ``training_data[0].source.type``."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or "(the whole)"


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
