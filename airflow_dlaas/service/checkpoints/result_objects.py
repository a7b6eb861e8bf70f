"""The last checkpoint: its contents are the objects of the results, which are stored at the end anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from airflow_dlaas.service.checkpoints.keeper import LastLook
from airflow_dlaas.service.checkpoints.manifest import EntryKind
from airflow_dlaas.service.checkpoints.snapshot import Entry, FoundFile
from airflow_dlaas.service.checkpoints.stored_entries import StoredEntry, manifest_entry
from airflow_dlaas.storage.object_store import StoredObject
from airflow_dlaas.storage.segments import is_large


def last_entries(
    last: LastLook, objects: Mapping[str, StoredObject], get_md5: Callable[[FoundFile], str]
) -> Mapping[str, StoredEntry]:
    """
    Return the entries of the last checkpoint.

    An entry whose files are not all among the results keeps the contents that were stored during the run.

    :param objects: the objects of the results by the path of the file in CHECKPOINT_DIR.
    :param get_md5: returns the MD5 of a file, for an object whose MD5 the store does not have.
    :return: no entry if one has neither: such a checkpoint would not be whole.
    """
    entries: dict[str, StoredEntry] = {}
    for name in {*last.stored, *last.complete}:
        entry, stored = last.complete.get(name), last.stored.get(name)
        in_results = None if entry is None else _entry_in_results(entry, objects, get_md5)
        if in_results is not None:
            entries[name] = in_results
        elif stored is not None and (entry is None or stored.found == entry.found):
            entries[name] = stored
        else:
            return {}
    return entries


def _entry_in_results(
    entry: Entry, objects: Mapping[str, StoredObject], get_md5: Callable[[FoundFile], str]
) -> StoredEntry | None:
    manifest = []
    for one in entry.found:
        if one.kind is not EntryKind.FILE:
            manifest.append(manifest_entry(one))
            continue
        found = objects.get(one.path)
        if found is None or found.size != one.size:
            return None
        # The MD5 that a listing has for an object of segments may be that of their list.
        md5 = found.md5 if found.md5 is not None and not is_large(one.size) else get_md5(one)
        manifest.append(manifest_entry(one, md5, found.name))
    return StoredEntry(entry.found, tuple(manifest))
