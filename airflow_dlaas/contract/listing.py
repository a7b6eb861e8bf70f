"""Listings of which one entry that cannot be read hides no other."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from airflow_dlaas.contract.base import Identifier, Many, Word, without_nulls

T = TypeVar("T", bound=Word)


class Identified(Word):
    """The part of `Metadata` that names a thing."""

    guid: Identifier


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


class Unidentified(Word):
    """An entry of a listing that cannot be read and has no usable id: no request can be made about it."""


UNIDENTIFIED = Unidentified()
"""Stands for each entry of that kind; nothing of its content is kept."""


class Listing(Word, Generic[T]):
    """Things of one kind; each is read by itself."""

    # As in a reply with one thing (`received`), null is taken for absent only where the entry cannot be read as it is.
    listed: Many[
        Annotated[
            T
            | Annotated[T, BeforeValidator(without_nulls)]
            | Unreadable
            | Annotated[Any, AfterValidator(lambda _: UNIDENTIFIED)],
            Field(union_mode="left_to_right"),
        ]
    ] = Field(alias="resources")

    @property
    def resources(self) -> tuple[T, ...]:
        """Those that can be read."""
        return tuple(one for one in self.listed if not isinstance(one, (Unreadable, Unidentified)))

    @property
    def unreadable(self) -> frozenset[str]:
        """Ids of those that cannot be read and have an id."""
        return frozenset(one.id for one in self.listed if isinstance(one, Unreadable))

    @property
    def unidentified(self) -> int:
        """Number of those that cannot be read and have no usable id."""
        return sum(isinstance(one, Unidentified) for one in self.listed)
