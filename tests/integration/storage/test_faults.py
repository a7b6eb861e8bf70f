"""
Transfers through trouble: a proxy between the client and a real Swift does to each kind of request what a network does.

Trouble that passes goes unnoticed. Trouble that lasts ends in an error that says so, with everything stored as it was
before or as it was to become, and never anything else. Both are looked at from beside the proxy.
"""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import Corrupted, StoreError, StoreFull, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import Progress, delete_objects, download, upload
from tests.stored import Tree, contents, laid, lay, noise, orphans, settle, speaks_clearly
from tests.troublemaker import (
    CorruptReply,
    CorruptRequest,
    ExpireTokens,
    Fault,
    LoseReply,
    ResetReply,
    ResetRequest,
    Say,
    Seen,
    Silence,
    StallReply,
    StallRequest,
    Troublemaker,
    Truncate,
)

QUICK = RetryPolicy(attempts=3, first_pause=0.01)

SILENT = 0.8
"""Seconds after which a store counts as silent where one is: enough for a real one unless the machine is busy."""

STUBBORN = RetryPolicy(attempts=12, first_pause=0.01)
"""For a store that counts as silent so soon: on a busy machine a real one may take longer again and again."""

CUT = 640 * 1024
"""Bytes of a segment here."""

SIZES = {"large": 2 * CUT + 40_000, "piece": 1_200_000, "small": 1000, "empty": 0}
"""Of the files: one in three segments, one that is hashed before it is sent, one sent from memory."""


@dataclass(frozen=True)
class Place:
    """A kind of request that trouble may strike, and about how many bytes it sends and is answered with."""

    method: str
    path: str
    sent: int = 0
    answered: int = 0
    json: bool = False
    """Whether the answer is for the client to read, and no content."""

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.path)

    def saw(self, requests: list[Seen]) -> bool:
        """Whether trouble struck here."""
        return any(one.method == self.method and self.pattern.search(one.path) and one.fault for one in requests)


UPLOADING = {
    "login": Place("GET", r"^/auth/v1\.0$"),
    "capabilities": Place("GET", r"^/info$", answered=1000, json=True),
    "listing": Place("GET", r"/c-[0-9a-f]+\?", answered=500, json=True),
    "look": Place("HEAD", r"/data/large$"),
    "list of segments": Place("GET", r"multipart-manifest=get", answered=500, json=True),
    "small": Place("PUT", r"/data/small$", sent=1000),
    "piece": Place("PUT", r"/data/piece$", sent=1_200_000),
    "segments there": Place("GET", r"_segments\?", answered=500, json=True),
    "segment": Place("PUT", r"_segments/.*/00000001$", sent=CUT),
    "joining": Place("PUT", r"multipart-manifest=put", sent=400, answered=100, json=True),
    "deletion": Place("POST", r"bulk-delete", sent=70, answered=100, json=True),
}
DOWNLOADING = {
    "login": Place("GET", r"^/auth/v1\.0$"),
    "listing": Place("GET", r"/c-[0-9a-f]+\?", answered=500, json=True),
    "look": Place("HEAD", r"/data/large$"),
    "list of segments": Place("GET", r"multipart-manifest=get", answered=500, json=True),
    "small": Place("GET", r"/data/small$", answered=1000),
    "piece": Place("GET", r"/data/piece$", answered=1_200_000),
    "part of segments": Place("GET", r"/data/large$", answered=40_000),
    "part of one piece": Place("GET", r"/data/wide$", answered=40_000),
}


def faults(place: Place) -> dict[str, Fault]:
    """What may happen to a request, in the middle of what it carries."""
    found: dict[str, Fault] = {"busy": Say(503), "answer lost": LoseReply()}
    if place.sent:
        found |= {"reset": ResetRequest(place.sent // 2), "damaged": CorruptRequest(place.sent // 2)}
    if place.answered:
        half = place.answered // 2
        found |= {"reply reset": ResetReply(half), "reply truncated": Truncate(half)}
        # In the middle of a JSON a flipped bit may make another one, which nobody can tell.
        found["reply damaged"] = CorruptReply(0 if place.json else half)
    return found


def stalls(place: Place) -> dict[str, Fault]:
    """The same for trouble that takes its time to be noticed."""
    found: dict[str, Fault] = {"silence": Silence()}
    if place.sent:
        found["stalled"] = StallRequest(place.sent // 2)
    if place.answered and not place.json:
        found["reply stalled"] = StallReply(place.answered // 2)
    return found


HARMLESS = {("capabilities", "reply damaged"), ("deletion", "damaged")}
"""A store need not say what it can do; and a list of names to delete has no checksum but TCP's own."""

ALIKE = {"capabilities", "list of segments", "segments there", "piece"}
"""Requests that are sent and waited for as others are: one of each sort is enough where each takes time."""


def passing(places: Mapping[str, Place], kind: str) -> dict[str, Fault]:
    """Where trouble of a kind may strike and pass unnoticed. A damaged answer to ourselves is an error, below."""
    quick = {where: faults(place)[kind] for where, place in places.items() if kind in faults(place)}
    slow = {where: stalls(place)[kind] for where, place in places.items() if kind in stalls(place)}
    return {
        where: fault
        for where, fault in {**quick, **{where: fault for where, fault in slow.items() if where not in ALIKE}}.items()
        if (where, kind) not in HARMLESS and not (kind == "reply damaged" and places[where].json)
    }


KINDS = sorted({kind for place in UPLOADING.values() for kind in (*faults(place), *stalls(place))})

SILENCES = {kind for place in UPLOADING.values() for kind in stalls(place)}


@pytest.fixture(scope="module")
def direct(swift: StoreConnection) -> Iterator[SwiftStore]:
    """A store that meets no trouble."""
    with SwiftStore.open(swift) as opened:
        yield opened


@pytest.fixture
def trouble(swift: StoreConnection) -> Iterator[Troublemaker]:
    with Troublemaker(swift.auth_url) as one:
        yield one


@pytest.fixture
def store(swift: StoreConnection, trouble: Troublemaker) -> Iterator[SwiftStore]:
    """The one whose requests are troubled."""
    through = swift.model_copy(update={"auth_url": trouble.auth_url})
    with SwiftStore.open(through, retry_policy=QUICK) as opened:
        yield opened


@contextlib.contextmanager
def noticing(store: SwiftStore, kind: str) -> Iterator[SwiftStore]:
    """*store*, or where trouble of that *kind* is silence, one like it that does not wait long for an answer."""
    if kind not in SILENCES:
        yield store
        return
    with SwiftStore.open(store._connection, retry_policy=STUBBORN, read_timeout=SILENT) as opened:
        yield opened


@pytest.fixture
def container(direct: SwiftStore) -> str:
    name = f"c-{uuid.uuid4().hex}"
    direct.create_container(name)
    return name


@pytest.fixture
def secrets(swift: StoreConnection, direct: SwiftStore) -> list[str]:
    """What no error may say. The proxy's names for a token end in the token."""
    direct.list_containers()
    return [swift.password.get_secret_value(), direct._session._authenticator.get_token().value]


OUTSIDE = {"data.txt": b"beside", "other/small": b"elsewhere"}
"""Objects that no transfer is about."""


@dataclass(frozen=True)
class Uploads:
    """A container, and a folder whose versions go there one after another."""

    direct: SwiftStore
    container: str
    here: Path

    def write(self, version: int, *gone: str) -> Tree:
        """Write a version into the folder; what the container has to hold after it. Of *gone* no trace is left."""
        tree = {name: noise(size, f"{version} {name}") for name, size in SIZES.items()}
        lay(self.here, tree)
        for name in gone:
            (self.here / name).unlink()
        return OUTSIDE | {f"data/{name}": content for name, content in tree.items()}

    def send(self, store: SwiftStore, threads: int | None = None) -> None:
        upload(store, self.here, self.container, prefix="data", delete=True, segment_size=CUT, threads=threads)

    def stored(self) -> Tree:
        return contents(self.direct, self.container)


@pytest.fixture
def uploads(direct: SwiftStore, container: str, tmp_path: Path) -> Uploads:
    """With version 0 stored, and two files more."""
    one = Uploads(direct, container, tmp_path / "here")
    for name, content in OUTSIDE.items():
        direct.put(container, name, content)
    lay(one.here, {"gone1": b"1", "gone2": b"2"})
    one.write(0)
    one.send(direct)
    return one


@pytest.mark.parametrize("kind", [kind for kind in KINDS if passing(UPLOADING, kind)])
def test_an_upload_does_not_notice_trouble_that_passes(
    uploads: Uploads, store: SwiftStore, trouble: Troublemaker, kind: str
) -> None:
    """Each kind of request is struck once."""
    new = uploads.write(1, "gone1", "gone2")
    struck = passing(UPLOADING, kind)
    for where, fault in struck.items():
        trouble.on(fault, method=UPLOADING[where].method, path=UPLOADING[where].pattern)
    with noticing(store, kind) as noticed:
        uploads.send(noticed, threads=1)
    assert {where for where, place in UPLOADING.items() if place.saw(trouble.requests)} == struck.keys()
    assert uploads.stored() == new
    assert not orphans(uploads.direct, uploads.container)


@pytest.mark.parametrize("where", UPLOADING)
def test_lasting_trouble_ends_an_upload_and_leaves_nothing_half(
    uploads: Uploads, store: SwiftStore, trouble: Troublemaker, secrets: list[str], where: str
) -> None:
    """Each kind of trouble in turn, with another version of the files each time."""
    place, there = UPLOADING[where], uploads.stored()
    gone = ["gone1", "gone2"]
    for version, (kind, fault) in enumerate(faults(place).items(), 1):
        if (where, kind) in HARMLESS or (where in ALIKE and kind in {"answer lost", "reply reset"}):
            continue
        old, new = there, uploads.write(version, *gone)
        gone = []
        trouble.on(fault, method=place.method, path=place.pattern, times=None)
        fresh = SwiftStore.open(store._connection, retry_policy=QUICK)
        with fresh, pytest.raises(StoreError) as error:
            uploads.send(fresh)
        assert place.saw(trouble.requests), kind
        assert speaks_clearly(error.value, *secrets)
        del error
        settle(trouble)
        there = uploads.stored()
        for name in old.keys() | new.keys() | there.keys():
            assert there.get(name) in (old.get(name), new.get(name)), (kind, name)
        kept = {"small": "data/small", "piece": "data/piece", "segment": "data/large", "joining": "data/large"}
        if kind in {"busy", "reset", "damaged"} and where in kept:
            assert there[kept[where]] == old[kept[where]], kind
        trouble.calm()
        trouble.clear()
    # Where an object has appeared and nobody could be told, only the next change finds what it has replaced.
    for version in (100, 101) if where in {"joining", "deletion"} else (100,):
        there = uploads.write(version)
        uploads.send(store)
    assert uploads.stored() == there
    assert not orphans(uploads.direct, uploads.container)


@dataclass(frozen=True)
class Downloads:
    """A container, and a folder that holds older versions of the files."""

    container: str
    old: Tree
    new: Tree
    there: Path

    def fetch(self, store: SwiftStore, threads: int | None = None) -> None:
        download(store, self.container, self.there, prefix="data", segment_size=CUT, threads=threads)

    def visible(self) -> Tree:
        """What is there for those who do not look for hidden files."""
        return {name: content for name, content in laid(self.there).items() if not name.startswith(".")}


@pytest.fixture(scope="module")
def versions(direct: SwiftStore, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Tree, Tree]:
    """A container that is only read, the files of before, and those in it."""
    container = f"c-{uuid.uuid4().hex}"
    direct.create_container(container)
    sizes = SIZES | {"wide": SIZES["large"]}
    old, new = ({name: noise(size, f"{age} {name}") for name, size in sizes.items()} for age in ("old", "new"))
    files = {name: content for name, content in new.items() if name != "wide"}
    upload(direct, lay(tmp_path_factory.mktemp("new"), files), container, prefix="data", segment_size=CUT)
    direct.put(container, "data/wide", new["wide"])
    return container, old, new


@pytest.fixture
def downloads(versions: tuple[str, Tree, Tree], tmp_path: Path) -> Downloads:
    container, old, new = versions
    return Downloads(container, old, new, lay(tmp_path / "there", old))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if passing(DOWNLOADING, kind)])
def test_a_download_does_not_notice_trouble_that_passes(
    downloads: Downloads, store: SwiftStore, trouble: Troublemaker, kind: str
) -> None:
    """Each kind of request is struck once."""
    struck = passing(DOWNLOADING, kind)
    for where, fault in struck.items():
        trouble.on(fault, method=DOWNLOADING[where].method, path=DOWNLOADING[where].pattern)
    with noticing(store, kind) as noticed:
        downloads.fetch(noticed, threads=1)
    assert {where for where, place in DOWNLOADING.items() if place.saw(trouble.requests)} == struck.keys()
    assert laid(downloads.there) == downloads.new


@pytest.mark.parametrize("where", DOWNLOADING)
def test_lasting_trouble_ends_a_download_and_leaves_the_files_of_before(
    downloads: Downloads, store: SwiftStore, trouble: Troublemaker, secrets: list[str], where: str
) -> None:
    place = DOWNLOADING[where]
    for kind, fault in faults(place).items():
        lay(downloads.there, downloads.old)
        trouble.on(fault, method=place.method, path=place.pattern, times=None)
        fresh = SwiftStore.open(store._connection, retry_policy=QUICK)
        with fresh, pytest.raises(StoreError) as error:
            downloads.fetch(fresh)
        assert place.saw(trouble.requests), kind
        assert speaks_clearly(error.value, *secrets)
        there = downloads.visible()
        assert there.keys() == downloads.old.keys()
        for name, content in there.items():
            assert content in (downloads.old[name], downloads.new[name]), (kind, name)
        kept = {"part of segments": "large", "part of one piece": "wide"}.get(where, where)
        assert kept not in there or there[kept] == downloads.old[kept], kind
        trouble.calm()
        trouble.clear()
    downloads.fetch(store)
    assert laid(downloads.there) == downloads.new


def test_a_store_that_stays_silent_is_given_up(
    uploads: Uploads, downloads: Downloads, store: SwiftStore, trouble: Troublemaker
) -> None:
    two = RetryPolicy(attempts=2, first_pause=0.01)
    old, new = uploads.stored(), uploads.write(1)
    cases: list[tuple[Place, Fault, Callable[[SwiftStore], None]]] = [
        (UPLOADING["login"], Silence(), uploads.send),
        (UPLOADING["listing"], Silence(), uploads.send),
        (UPLOADING["segment"], StallRequest(CUT // 2), uploads.send),
        (UPLOADING["joining"], StallRequest(10), uploads.send),
        (DOWNLOADING["piece"], StallReply(1000), downloads.fetch),
        (DOWNLOADING["part of segments"], Silence(), downloads.fetch),
    ]
    for place, fault, move in cases:
        lay(downloads.there, downloads.old)
        trouble.on(fault, method=place.method, path=place.pattern, times=None)
        fresh = SwiftStore.open(store._connection, retry_policy=two, read_timeout=SILENT / 2)
        with fresh, pytest.raises(StoreUnreachable, match="in time"):
            move(fresh)
        trouble.calm()
        settle(trouble)
    there = uploads.stored()
    assert all(there.get(name) in (old.get(name), new.get(name)) for name in old.keys() | there.keys())
    assert downloads.visible()["large"] == downloads.old["large"]


# ---- tokens


def test_a_token_may_expire_at_any_request(
    uploads: Uploads, downloads: Downloads, store: SwiftStore, trouble: Troublemaker
) -> None:
    new = uploads.write(1, "gone1", "gone2")
    for places, move in ((UPLOADING, uploads.send), (DOWNLOADING, downloads.fetch)):
        after_the_login = [place for where, place in places.items() if where != "login"]
        for place in after_the_login:
            trouble.on(ExpireTokens(), method=place.method, path=place.pattern)
        before = trouble.logins
        move(store, threads=1)
        assert all(place.saw(trouble.requests) for place in after_the_login)
        assert trouble.logins - max(before, 1) == len(after_the_login)
    assert uploads.stored() == new
    assert laid(downloads.there) == downloads.new


def test_threads_whose_token_expires_at_once_log_in_once(
    direct: SwiftStore, container: str, store: SwiftStore, trouble: Troublemaker, tmp_path: Path
) -> None:
    here = lay(tmp_path / "here", {f"{number}": noise(20_000, number) for number in range(60)})
    expired = False

    def expire(progress: Progress) -> None:
        nonlocal expired
        if progress.files_done == 20 and not expired:
            expired = True
            trouble.expire_tokens()

    upload(store, here, container, threads=8, progress=expire)
    assert trouble.logins == 2
    assert contents(direct, container) == laid(here)


def test_a_token_that_is_never_accepted_is_renewed_once_and_that_is_that(
    uploads: Uploads, store: SwiftStore, trouble: Troublemaker, secrets: list[str]
) -> None:
    old = uploads.stored()
    uploads.write(1, "gone1", "gone2")
    for where in ("listing", "segment", "small", "deletion"):
        place = UPLOADING[where]
        trouble.on(Say(401), method=place.method, path=place.pattern, times=None)
        fresh = SwiftStore.open(store._connection, retry_policy=QUICK)
        with fresh, pytest.raises(StoreRefused, match="check the credentials") as error:
            uploads.send(fresh, threads=1)
        assert trouble.count(method=place.method, path=place.pattern) == 2
        assert trouble.logins == 2
        assert speaks_clearly(error.value, *secrets)
        name = {"deletion": "data/gone1", "segment": "data/large"}.get(where, "data/small")
        assert uploads.stored()[name] == old[name]
        trouble.calm()
        trouble.clear()


# ---- a store that wants to be left alone


Ask = Callable[[SwiftStore, str, Path], object]

VERBS: dict[str, tuple[str, str, Ask]] = {
    "put": ("PUT", "/one$", lambda store, container, _: store.put(container, "one", b"new")),
    "list": ("GET", "json&prefix=", lambda store, container, _: list(store.list_objects(container, "o"))),
    "look": ("HEAD", "/one$", lambda store, container, _: store.get_layout(container, "one")),
    "get": ("GET", "/one$", lambda store, container, folder: store.get(container, "one", folder / "one")),
    "delete": ("DELETE", "/one$", lambda store, container, _: store.delete(container, ["one"])),
    "login": ("GET", "^/auth", lambda store, container, _: store.create_container(container)),
}
"""What is asked of a store, and the request that carries it."""


@pytest.mark.parametrize(("verb", "status"), [("put", 503), ("list", 429), ("get", 498), ("login", 503)])
def test_a_request_is_not_repeated_before_the_store_wants_it(
    direct: SwiftStore, container: str, store: SwiftStore, trouble: Troublemaker, tmp_path: Path, verb: str, status: int
) -> None:
    direct.put(container, "one", b"old")
    method, path, ask = VERBS[verb]
    trouble.on(Say(status, {"Retry-After": "1"}), method=method, path=re.compile(path))
    begun = time.monotonic()
    ask(store, container, tmp_path)
    assert time.monotonic() - begun >= 1
    assert trouble.count(method=method, path=re.compile(path)) == 2


def test_a_store_may_also_say_until_when_it_wants_to_be_left_alone(
    container: str, store: SwiftStore, trouble: Troublemaker
) -> None:
    trouble.on(Say(503, {"Retry-After": formatdate(time.time() + 3, usegmt=True)}), method="PUT", path="/one")
    begun = time.monotonic()
    store.put(container, "one", b"new")
    assert time.monotonic() - begun >= 1  # a date has whole seconds


@pytest.mark.parametrize("verb", VERBS)
def test_a_store_that_wants_more_time_than_there_is_is_not_asked_again(
    swift: StoreConnection, direct: SwiftStore, container: str, trouble: Troublemaker, tmp_path: Path, verb: str
) -> None:
    direct.put(container, "one", b"old")
    method, path, ask = VERBS[verb]
    through = swift.model_copy(update={"auth_url": trouble.auth_url})
    trouble.on(Say(503, {"Retry-After": "31"}), method=method, path=re.compile(path), times=None)
    with SwiftStore.open(through) as store, pytest.raises(StoreUnreachable, match="503"):
        ask(store, container, tmp_path)
    assert trouble.count(method=method, path=re.compile(path)) == 1


WRITING = {"small": "data/small", "piece": "data/piece", "segment": "data/large", "joining": "data/large"}
"""Requests that carry content, or make it appear, and the object that it is."""

FULL = [
    (Say(413, body=b"<html><h1>Request Entity Too Large</h1><p>Upload exceeds quota.</p></html>"), "quota"),
    (Say(413, body=b"Upload exceeds quota.", early=True), "quota"),
    (Say(413, body=b"<html>Your request is too large.</html>"), "larger than it takes"),
    (Say(507, body=b"<html>There was not enough space to save the resource.</html>"), "disks are full"),
]
"""What a store says when something is full, and what is to be made of it."""


@pytest.mark.parametrize("where", WRITING)
def test_a_full_store_says_what_is_full_at_once(
    uploads: Uploads, store: SwiftStore, trouble: Troublemaker, where: str
) -> None:
    place, old = UPLOADING[where], uploads.stored()
    uploads.write(1)
    for answer, sentence in FULL:
        trouble.on(answer, method=place.method, path=place.pattern, times=None)
        with pytest.raises(StoreFull, match=sentence):
            uploads.send(store)
        assert trouble.count(method=place.method, path=place.pattern) == 1
        trouble.calm()
        trouble.clear()
    assert uploads.stored()[WRITING[where]] == old[WRITING[where]]


# ---- answers that are not true


@pytest.mark.parametrize("where", WRITING)
def test_a_store_that_says_it_has_kept_something_else_is_not_believed(
    uploads: Uploads, store: SwiftStore, trouble: Troublemaker, where: str
) -> None:
    place, old, new = UPLOADING[where], uploads.stored(), uploads.write(1, "gone1", "gone2")
    trouble.on(Say(201, {"ETag": f'"{0:032}"'}), method=place.method, path=place.pattern, times=None)
    with pytest.raises(Corrupted, match=f"{0:032}"):
        uploads.send(store)
    assert uploads.stored()[WRITING[where]] == old[WRITING[where]]
    trouble.calm()
    trouble.on(Say(201, {"ETag": f"{0:032}"}), method=place.method, path=place.pattern)
    uploads.send(store)
    assert uploads.stored() == new
    assert not orphans(uploads.direct, uploads.container)


VERDICTS = {
    b' \r\n\r\n{"Response Status": "503 Service Unavailable", "Errors": []}': StoreUnreachable,
    b' {"Response Status": "413 Request Entity Too Large", "Response Body": "exceeds quota"}': StoreFull,
    b' {"Response Status": "403 Forbidden"}': StoreRefused,
    b' {"Response Status": "400 Bad Request", "Errors": [["/c/s", "404 Not Found"]]}': Corrupted,
    b' {"Response Status": "422 Unprocessable Entity", "Errors": []}': Corrupted,
    b' {"Response Status": "201 Created", "Etag": "0"}': Corrupted,
    b" ": StoreError,
    b' {"Response Status"': StoreError,
    b"[]": StoreError,
    b"<html>201 Created</html>": StoreError,
}
"""How an answer of 202 may end, and what it means."""


def test_a_list_of_segments_is_stored_only_where_the_answer_says_so_at_its_end(
    uploads: Uploads, store: SwiftStore, trouble: Troublemaker
) -> None:
    old = uploads.stored()
    uploads.write(1)
    for verdict, kind in VERDICTS.items():
        trouble.on(Say(202, body=verdict), path="multipart-manifest=put", times=None)
        with pytest.raises(StoreError) as error:
            uploads.send(store)
        assert type(error.value) is kind, verdict
        trouble.calm()
    assert uploads.stored()["data/large"] == old["data/large"]


PAGE = b"<html><body>Welcome! Please log in.</body></html>"


def test_the_page_of_somebody_in_between_is_not_taken_for_an_object(
    downloads: Downloads, store: SwiftStore, trouble: Troublemaker
) -> None:
    for where in ("small", "part of segments", "part of one piece"):
        lay(downloads.there, downloads.old)
        trouble.on(Say(200, body=PAGE), method="GET", path=DOWNLOADING[where].pattern, times=None)
        with pytest.raises(StoreError):
            downloads.fetch(store)
        for name, content in downloads.visible().items():
            assert content in (downloads.old[name], downloads.new[name])
        trouble.calm()


@pytest.mark.parametrize("answer", [PAGE, b"", b"[]", b"{}", b"null", b"7", b'["x"]', b"[{}]", b'{"a": [1]}', b"\xff"])
def test_an_answer_that_is_no_swifts_is_an_error_of_ours(
    direct: SwiftStore, downloads: Downloads, store: SwiftStore, trouble: Troublemaker, answer: bytes
) -> None:
    """Or taken for none, where nothing can be said."""
    for method, path, ask in (
        ("GET", "prefix=", lambda: list(store.list_objects(downloads.container, "data"))),
        ("GET", "multipart-manifest=get", lambda: store.get_layout(downloads.container, "data/large")),
        ("GET", r"format=json$", lambda: store.list_containers()),
        ("GET", "^/info$", lambda: store.limits()),
        ("POST", "bulk-delete", lambda: store.delete(downloads.container, ["no-such", "nor-this"])),
    ):
        trouble.on(Say(200, body=answer), method=method, path=re.compile(path), times=None)
        with contextlib.suppress(StoreError):
            ask()
        trouble.calm()


def test_a_listing_without_end_ends(store: SwiftStore, container: str, trouble: Troublemaker) -> None:
    page = b'[{"name": "a", "bytes": 1, "hash": "0", "last_modified": "2026-01-01T00:00:00.000000"}]'
    trouble.on(Say(200, body=page), method="GET", path="prefix=", times=None)
    with pytest.raises(StoreError, match="without end"):
        list(store.list_objects(container, "a"))


def test_whatever_bit_of_an_answer_is_flipped_no_other_error_than_ours_comes_of_it(
    downloads: Downloads, store: SwiftStore, trouble: Troublemaker
) -> None:
    for method, path, length, ask in (
        ("GET", "prefix=", 250, lambda: list(store.list_objects(downloads.container, "data/small"))),
        ("GET", "multipart-manifest=get", 250, lambda: store.get_layout(downloads.container, "data/large")),
        ("POST", "bulk-delete", 110, lambda: store.delete(downloads.container, ["no-such", "nor-this"])),
    ):
        for at in range(0, length, 3):
            trouble.on(CorruptReply(at), method=method, path=path)
            with contextlib.suppress(StoreError):
                ask()
            trouble.calm()


# ---- what is not part of every transfer


def test_the_first_large_file_finds_its_container_in_trouble(
    direct: SwiftStore, container: str, store: SwiftStore, trouble: Troublemaker, tmp_path: Path
) -> None:
    here = lay(tmp_path / "here", {"large": noise(3 * CUT, 1)})
    for fault in (Say(503), LoseReply()):
        trouble.on(fault, method="PUT", path=re.compile("_segments$"))
    upload(store, here, container, segment_size=CUT)
    assert trouble.count(method="PUT", path=re.compile("_segments$")) == 3
    assert contents(direct, container) == laid(here)


def test_a_deletion_whose_answer_was_lost_has_happened(
    direct: SwiftStore, container: str, store: SwiftStore, trouble: Troublemaker
) -> None:
    for name in "abc":
        direct.put(container, name, b"x")
    trouble.on(LoseReply(), method="DELETE")
    assert list(delete_objects(store, container, names=["a"])) == ["a"]
    trouble.on(LoseReply(), method="POST")
    assert list(delete_objects(store, container)) == ["b", "c"]
    assert not contents(direct, container)


def test_two_that_delete_at_once_do_not_mind(uploads: Uploads, store: SwiftStore, trouble: Troublemaker) -> None:
    trouble.on(Say(404), method="HEAD", path=re.compile("/data/large$"))
    delete_objects(store, uploads.container, names=["data/large"])
    assert "data/large" not in uploads.stored()
