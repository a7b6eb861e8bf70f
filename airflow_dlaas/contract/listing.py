"""Listings of which one entry that cannot be read hides no other."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import Field

from airflow_dlaas.contract.words import Many, Word

T = TypeVar("T", bound=Word)


class Identified(Word):
    """The part of `Metadata` that names a thing."""

    guid: str


class Unreadable(Word):
    """
    An entry of a listing that cannot be read, with its id only: the service's record of it is damaged, or has values
    that this version does not know. A request for its id returns the details.
    """

    metadata: Identified

    @property
    def id(self) -> str:
        """The id of what cannot be read."""
        return self.metadata.guid


class Listing(Word, Generic[T]):
    """Things of one kind; each is read by itself."""

    listed: Many[Annotated[T | Unreadable, Field(union_mode="left_to_right")]] = Field(alias="resources")

    @property
    def resources(self) -> tuple[T, ...]:
        """Those that can be read."""
        return tuple(one for one in self.listed if not isinstance(one, Unreadable))

    @property
    def unreadable(self) -> frozenset[str]:
        """Ids of the others."""
        return frozenset(one.id for one in self.listed if isinstance(one, Unreadable))
