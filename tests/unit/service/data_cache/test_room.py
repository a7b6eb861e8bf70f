from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.service.data_cache.entry_names import CachedFile, EntryKey
from airflow_dlaas.service.data_cache.room import RoomPlan, Stock, plan_room

PLENTY = 10**9


def file(name: str, size: int, used: int = 0) -> CachedFile:
    return CachedFile("s", name, size, used)


def plan(missing: dict[str, int], stock: Stock) -> RoomPlan:
    return plan_room([(("s", name), size) for name, size in missing.items()], stock)


def names(keys: frozenset[EntryKey]) -> set[str]:
    return {name for _, name in keys}


def test_nothing_is_removed_while_there_is_room() -> None:
    result = plan({"new": 50}, Stock([file("old", 50)], {}, limit=100, free=PLENTY))
    assert (names(result.admitted), result.evicted) == ({"new"}, ())


def test_least_recently_used_makes_room_and_no_more_than_needed() -> None:
    files = [file("b", 40, used=2), file("a", 40, used=1), file("c", 20, used=3)]
    result = plan({"new": 30}, Stock(files, {}, limit=100, free=PLENTY))
    assert (names(result.admitted), [one.name for one in result.evicted]) == ({"new"}, ["a"])


def test_entry_in_use_is_never_removed() -> None:
    files = [file("a", 60, used=1), file("b", 40, used=2)]
    result = plan({"new": 50}, Stock(files, {("s", "a"): 60}, limit=100, free=PLENTY))
    assert (result.admitted, result.evicted) == (frozenset(), ())
    result = plan({"new": 40}, Stock(files, {("s", "a"): 60}, limit=100, free=PLENTY))
    assert (names(result.admitted), [one.name for one in result.evicted]) == ({"new"}, ["b"])


def test_what_does_not_fit_leaves_its_room_to_smaller_entries() -> None:
    result = plan({"huge": 200, "small": 10}, Stock([], {}, limit=100, free=PLENTY))
    assert names(result.admitted) == {"small"}


def test_room_that_another_training_was_promised_is_taken() -> None:
    result = plan({"new": 50}, Stock([], {("s", "coming"): 60}, limit=100, free=PLENTY))
    assert names(result.admitted) == set()


def test_entry_that_another_training_is_loading_needs_no_room() -> None:
    result = plan({"coming": 60, "new": 40}, Stock([], {("s", "coming"): 60}, limit=100, free=PLENTY))
    assert names(result.admitted) == {"coming", "new"}


def test_full_disk_counts_as_the_limit_does() -> None:
    files = [file("a", 60, used=1), file("b", 40, used=2)]
    result = plan({"new": 50}, Stock(files, {}, limit=PLENTY, free=10))
    assert (names(result.admitted), [one.name for one in result.evicted]) == ({"new"}, ["a"])
    assert names(plan({"new": 120}, Stock(files, {}, limit=PLENTY, free=10)).admitted) == set()


SIZES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 50))


@given(present=SIZES, missing=SIZES, used=st.sets(st.sampled_from("abcdefghij")), limit=st.integers(0, 200))
def test_limit_holds_and_use_is_respected(
    present: dict[str, int], missing: dict[str, int], used: set[str], limit: int
) -> None:
    """After the plan, the cache is within its limit, or has nothing but entries in use and no new ones."""
    missing = {name: size for name, size in missing.items() if name not in present}
    in_use = {("s", name): size for name, size in (present | missing).items() if name in used}
    result = plan(missing, Stock([file(*one) for one in present.items()], in_use, limit, PLENTY))
    assert not {one.key for one in result.evicted} & in_use.keys()
    gone = {one.name for one in result.evicted}
    kept = {name: size for name, size in present.items() if name not in gone}
    new = {name: missing[name] for name in names(result.admitted) if name not in used}
    promised = {name: size for (_, name), size in in_use.items()}
    after = kept | new | promised
    assert sum(after.values()) <= limit or not (new and sum(new.values()))
    if sum(after.values()) > limit:
        assert set(kept) <= used
