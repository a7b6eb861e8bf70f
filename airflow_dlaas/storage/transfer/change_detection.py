"""Finding out whether a file is what is stored already, reading as little as that takes."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_dlaas.exceptions import ObjectNotFound
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import ObjectStore, Part, Shape
from airflow_dlaas.storage.segments import cut_up, joint_md5
from airflow_dlaas.storage.sources.local import Origin
from airflow_dlaas.storage.transfer.checksum_cache import Known
from airflow_dlaas.storage.transfer.plan import Send


def whole_md5(origin: Origin, known: Known) -> str:
    """The MD5 of all of *origin*; read unless it is known."""
    noted = known.md5s(origin, 0)
    if noted:
        return noted[0]
    md5 = md5_of(origin.part(0, origin.size))
    known.note(origin, 0, [md5])
    return md5


def unchanged(store: ObjectStore, container: str, send: Send, known: Known) -> bool:
    """Whether what is stored under the name is what the file holds."""
    stored, origin = send.stored, send.source.origin
    if stored is None or not send.same_size:
        return False
    if send.cut and stored.segments_md5:
        noted = known.md5s(origin, send.cut)
        if noted and joint_md5(noted) == stored.segments_md5:
            return True
    if stored.md5 is not None and whole_md5(origin, known) == stored.md5:
        return True
    if stored.md5 is not None and not send.cut:
        return False
    # In segments, or stored where listings do not tell that it is: then the MD5 is that of the list of segments.
    try:
        shape = store.look(container, stored.name)
    except ObjectNotFound:
        return False
    return shape.size == origin.size and _holds(origin, shape, send.cut, known)


def _holds(origin: Origin, shape: Shape, cut: int, known: Known) -> bool:
    if not shape.parts or any(part.md5 is None for part in shape.parts):
        return False
    ours = cut and [(part.start, part.size) for part in shape.parts] == [
        (part.start, part.size) for part in cut_up(origin.size, cut)
    ]
    noted: Sequence[str] | None = known.md5s(origin, cut) if ours else None
    if noted:
        return list(noted) == [part.md5 for part in shape.parts]
    if not _same(origin, shape.parts):
        return False
    if ours:
        known.note(origin, cut, [part.md5 for part in shape.parts if part.md5])
    return True


def _same(origin: Origin, parts: Sequence[Part]) -> bool:
    return all(md5_of(origin.part(part.start, part.size)) == part.md5 for part in parts)
