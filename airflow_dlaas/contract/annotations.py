"""The note and the tags that people give a training (extension `annotations`). They do not change the training."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from airflow_dlaas.contract.base import RequestModel

MAX_NOTE_LENGTH = 4000
"""Characters of a note."""

MAX_TAGS = 20
"""Tags of one training."""

MAX_TAG_LENGTH = 64
"""Characters of a tag."""


def _require_no_nul(note: str) -> str:
    if "\x00" in note:  # PostgreSQL cannot store it
        raise ValueError("must not contain a NUL character")
    return note


def _require_plain_tag(tag: str) -> str:
    if tag != tag.strip() or not tag.isprintable() or "," in tag:
        raise ValueError("must be printable text without a comma, and without spaces at its ends")
    return tag


def _require_unique(tags: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(tags)) != len(tags):
        raise ValueError("must not have the same tag twice")
    return tags


Tag = Annotated[str, Field(min_length=1, max_length=MAX_TAG_LENGTH), AfterValidator(_require_plain_tag)]


class Annotations(RequestModel):
    """
    The note and the tags of a training: what `PUT /v3/models/{id}/annotations` sets, both together.

    A training without any has an empty note and no tags.
    """

    note: Annotated[str, Field(max_length=MAX_NOTE_LENGTH), AfterValidator(_require_no_nul)] = ""
    tags: Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS), AfterValidator(_require_unique)] = ()
