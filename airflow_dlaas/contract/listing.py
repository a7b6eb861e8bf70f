"""Listings of which one entry that cannot be read hides no other."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from airflow_dlaas.contract.base import ApiList, ApiModel, Identifier, without_nulls

T = TypeVar("T", bound=ApiModel)


class EntryMetadata(ApiModel):
    """The part of `Metadata` that names a thing."""

    guid: Identifier


class UnreadableEntry(ApiModel):
    """
    An entry of a listing that cannot be read, with its id only: the service's record of it is damaged, or has values
    that this version does not know. A request for its id returns the details.
    """

    metadata: EntryMetadata

    @property
    def id(self) -> str:
        """The id of what cannot be read."""
        return self.metadata.guid


class UnidentifiedEntry(ApiModel):
    """An entry of a listing that cannot be read and has no usable id: no request can be made about it."""


UNIDENTIFIED_ENTRY = UnidentifiedEntry()
"""Stands for each entry of that kind; nothing of its content is kept."""


class Listing(ApiModel, Generic[T]):
    """Things of one kind; each is read by itself."""

    # As in a reply with one thing (`received`), null is taken for absent only where the entry cannot be read as it is.
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
        """Those that can be read."""
        return tuple(one for one in self.entries if not isinstance(one, (UnreadableEntry, UnidentifiedEntry)))

    @property
    def unreadable_ids(self) -> frozenset[str]:
        """Ids of those that cannot be read and have an id."""
        return frozenset(one.id for one in self.entries if isinstance(one, UnreadableEntry))

    @property
    def unidentified_count(self) -> int:
        """Number of those that cannot be read and have no usable id."""
        return sum(isinstance(one, UnidentifiedEntry) for one in self.entries)
