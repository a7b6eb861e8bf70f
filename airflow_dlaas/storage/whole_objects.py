"""The methods of an `ObjectStore` that are about segments, for a store whose objects own nothing but themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

from airflow_dlaas.storage.object_store import StoredObject


class WholeObjects:
    """A base class; its methods send no request of their own."""

    def require_multipart_name(self, container: str, name: str, *, size: int, part_size: int) -> None:
        """Accept all names: parts have none of their own."""

    def replacing(
        self,
        container: str,  # noqa: ARG002  (the interface has it)
        name: str,  # noqa: ARG002
        stored: StoredObject | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[object]:
        """Do nothing before and after the block."""
        return nullcontext()

    def delete(self, container: str, names: Iterable[str]) -> None:
        """See `ObjectStore.delete`."""
        raise NotImplementedError

    def delete_stored(self, container: str, objects: Sequence[StoredObject]) -> None:
        """Delete *objects*, each with its parts."""
        self.delete(container, [one.name for one in objects])
