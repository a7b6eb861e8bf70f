"""Lists in responses. An entry that cannot be read does not hide the others."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from airflow_dlaas.contract.base import ApiList, ApiModel, Identifier, without_nulls

T = TypeVar("T", bound=ApiModel)


class EntryMetadata(ApiModel):
    """The part of `Metadata` that identifies a resource."""

    guid: Identifier


class UnreadableEntry(ApiModel):
    """
    An entry that cannot be read, with its id only.

    The service's record of it is damaged, or has values that this version does not know. The response to a request for
    its id has the details.
    """

    metadata: EntryMetadata

    @property
    def id(self) -> str:
        """The id of the resource that cannot be read."""
        return self.metadata.guid


class UnidentifiedEntry(ApiModel):
    """An entry that cannot be read and has no usable id: no request can be made about it."""


UNIDENTIFIED_ENTRY = UnidentifiedEntry()
"""Represents each entry of that kind; nothing of its content is kept."""


class Listing(ApiModel, Generic[T]):
    """Resources of one type; each is read by itself."""

    # As in `parse_response`, null is taken for absent only if the entry cannot be read as it is.
    entries: ApiList[
        Annotated[
            T
            | Annotated[T, BeforeValidator(without_nulls)]
            | UnreadableEntry
            | Annotated[Any, AfterValidator(lambda _: UNIDENTIFIED_ENTRY)],
            Field(union_mode="left_to_right"),
        ]
    ] = Field(alias="resources")

    @property
    def resources(self) -> tuple[T, ...]:
        """The entries that can be read."""
        return tuple(one for one in self.entries if not isinstance(one, (UnreadableEntry, UnidentifiedEntry)))

    @property
    def unreadable_ids(self) -> frozenset[str]:
        """The ids of the entries that cannot be read and have an id."""
        return frozenset(one.id for one in self.entries if isinstance(one, UnreadableEntry))

    @property
    def unidentified_count(self) -> int:
        """The number of entries that cannot be read and have no usable id."""
        return sum(isinstance(one, UnidentifiedEntry) for one in self.entries)
