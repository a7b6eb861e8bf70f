from __future__ import annotations

import re
from dataclasses import replace

import pytest

from airflow_dlaas.service.data_cache.entry_names import entry_name, is_entry_name, md5_of_entry, source_id
from airflow_dlaas.storage.object_store import StoredObject
from tests.memory_store import NOW, md5

PIECE = StoredObject("images/a b.png", 5, md5(b"hello"), NOW)


def test_name_of_an_object_in_one_piece_has_its_md5_and_nothing_that_people_chose() -> None:
    name = entry_name(PIECE)
    assert name is not None
    assert re.fullmatch(r"[0-9a-f]{40}\.[0-9a-f]{32}", name)
    assert md5_of_entry(name) == PIECE.md5
    assert is_entry_name(name)


@pytest.mark.parametrize(
    "other",
    [replace(PIECE, name="images/a"), replace(PIECE, size=6), replace(PIECE, md5=md5(b"olleh"))],
)
def test_each_property_of_the_content_changes_the_name(other: StoredObject) -> None:
    assert entry_name(other) != entry_name(PIECE)


def test_time_of_modification_does_not_change_the_name() -> None:
    """An object that was stored again with the same content is the same entry."""
    assert entry_name(replace(PIECE, modified=NOW.replace(year=2030))) == entry_name(PIECE)


@pytest.mark.parametrize("field", ["slo_etag", "multipart_etag", "etag"])
def test_checksums_of_an_object_in_parts_are_beside_it(field: str) -> None:
    name = entry_name(replace(PIECE, md5=None, **{field: '"../../evil"'}))
    assert name is not None
    assert re.fullmatch(r"[0-9a-f]{40}\.parts", name)
    assert md5_of_entry(name) is None


@pytest.mark.parametrize("digest", [None, "../../../etc/passwd", "d41d8cd9", md5(b"").upper()])
def test_object_without_a_proper_digest_has_no_entry(digest: str | None) -> None:
    assert entry_name(replace(PIECE, md5=digest)) is None


def test_accounts_and_containers_are_separate_sources() -> None:
    """Equal names and checksums in two accounts are no proof that a user may read both."""
    pairs = [("http://a", "c"), ("http://b", "c"), ("http://a", "d"), ("http://a/", "c")]
    assert len({source_id(*pair) for pair in pairs}) == len(pairs)
    assert not is_entry_name(source_id("http://a", "c"))
