"""The kinds of requests that a transfer sends to each kind of store, and the faults that each can have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.fault_proxy import (
    CorruptReply,
    CorruptRequest,
    Fault,
    LoseReply,
    ResetReply,
    ResetRequest,
    Seen,
    SendReply,
    Silence,
    StallReply,
    StallRequest,
    Truncate,
)


@dataclass(frozen=True)
class RequestKind:
    """A kind of request that can have a fault, and the approximate sizes of its body and of its response."""

    method: str
    path: str
    sent: int = 0
    answered: int = 0
    document: bool = False
    """Whether the response is a document for the client, and no content of an object."""
    similar: bool = False
    """Whether another kind of request uses the same code: it is left out where each test takes long."""
    harmless: frozenset[str] = frozenset()
    """Kinds of faults that need no retry, or that no client can detect."""
    recovered: frozenset[str] = frozenset()
    """Kinds of faults that a transfer survives even if they last, because the client finds what the store has done."""

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.path)

    def was_hit(self, requests: list[Seen]) -> bool:
        """Whether one of *requests* is of this kind and had a fault."""
        return any(one.method == self.method and self.pattern.search(one.path) and one.fault for one in requests)


Requests = Mapping[str, RequestKind]

SWIFT_PART = 640 * 1024
"""Bytes of a segment in these tests."""

S3_PART = 5 * 1024**2
"""Bytes of a part: the smallest that S3 accepts."""

SMALL, PIECE = 1000, 1_200_000
"""Bytes of a file that is sent from memory, and of one that is hashed before it is sent."""

_NO_CHECKSUM = frozenset({"damaged"})
"""A list of names to delete has no checksum except that of TCP."""

_LISTING = r"/c-[0-9a-f]+\?"

SWIFT_UPLOADS: Requests = {
    "login": RequestKind("GET", r"^/auth/v1\.0$"),
    # The capabilities are optional.
    "capabilities": RequestKind(
        "GET", r"^/info$", answered=1000, document=True, similar=True, harmless=frozenset({"reply damaged"})
    ),
    "listing": RequestKind("GET", _LISTING, answered=500, document=True),
    "look": RequestKind("HEAD", r"/data/large$"),
    "list of segments": RequestKind("GET", r"multipart-manifest=get", answered=500, document=True, similar=True),
    "small": RequestKind("PUT", r"/data/small$", sent=SMALL),
    "piece": RequestKind("PUT", r"/data/piece$", sent=PIECE, similar=True),
    "segments there": RequestKind("GET", r"_segments\?", answered=500, document=True, similar=True),
    "part": RequestKind("PUT", r"_segments/.*/00000001$", sent=SWIFT_PART),
    "joining": RequestKind("PUT", r"multipart-manifest=put", sent=400, answered=100, document=True),
    "deletion": RequestKind("POST", r"bulk-delete", sent=70, answered=100, document=True, harmless=_NO_CHECKSUM),
}
SWIFT_DOWNLOADS: Requests = {
    "login": RequestKind("GET", r"^/auth/v1\.0$"),
    "listing": RequestKind("GET", _LISTING, answered=500, document=True),
    "look": RequestKind("HEAD", r"/data/large$"),
    "list of segments": RequestKind("GET", r"multipart-manifest=get", answered=500, document=True, similar=True),
    "small": RequestKind("GET", r"/data/small$", answered=SMALL),
    "piece": RequestKind("GET", r"/data/piece$", answered=PIECE, similar=True),
    "part of parts": RequestKind("GET", r"/data/large$", answered=40_000),
    "part of one piece": RequestKind("GET", r"/data/wide$", answered=40_000),
}

S3_UPLOADS: Requests = {
    "listing": RequestKind("GET", r"[?&]list-type=2", answered=500, document=True),
    "small": RequestKind("PUT", r"/data/small$", sent=SMALL),
    "piece": RequestKind("PUT", r"/data/piece$", sent=PIECE, similar=True),
    "uploads there": RequestKind("GET", r"[?&]uploads\b", answered=300, document=True, similar=True),
    "beginning": RequestKind(
        "POST",
        r"[?&]uploads\b",
        answered=300,
        document=True,
        recovered=frozenset({"answer lost", "reply reset", "reply truncated"}),
    ),
    "part": RequestKind("PUT", r"/data/large\?.*partNumber=2\b", sent=S3_PART),
    "joining": RequestKind("POST", r"[?&]uploadId=", sent=200, answered=200, document=True),
    "deletion": RequestKind("POST", r"[?&]delete\b", sent=100, answered=100, document=True),
}
S3_DOWNLOADS: Requests = {
    "listing": RequestKind("GET", r"[?&]list-type=2", answered=500, document=True),
    "small": RequestKind("GET", r"/data/small$", answered=SMALL),
    "piece": RequestKind("GET", r"/data/piece$", answered=PIECE, similar=True),
    "part of parts": RequestKind("GET", r"/data/large\b", answered=40_000),
    "part of one piece": RequestKind("GET", r"/data/wide\b", answered=40_000),
}

GCS_PART = 1024**2
"""Bytes of a part of an object in Google Cloud Storage in these tests."""

_NO_LENGTH = frozenset({"reply truncated"})
"""The emulator of Google Cloud Storage sends documents without their length: the end of one looks like an end."""

GCS_UPLOADS: Requests = {
    "listing": RequestKind("GET", r"/o\?.*prefixes", answered=300, document=True, harmless=_NO_LENGTH),
    "part": RequestKind("POST", r"uploadType=multipart", sent=GCS_PART),
    "joining": RequestKind("POST", r"/compose\?", sent=300, answered=200, document=True, harmless=_NO_LENGTH),
    "deletion": RequestKind(
        "POST", r"^/batch/", sent=200, answered=100, document=True, harmless=_NO_CHECKSUM | _NO_LENGTH
    ),
}
GCS_DOWNLOADS: Requests = {
    "listing": RequestKind("GET", r"/o\?.*prefixes", answered=300, document=True, harmless=_NO_LENGTH),
    "small": RequestKind("GET", r"small\?.*alt=media", answered=SMALL),
    "piece": RequestKind("GET", r"piece\?.*alt=media", answered=PIECE, similar=True),
    "part of parts": RequestKind("GET", r"large\?.*alt=media", answered=40_000),
    "part of one piece": RequestKind("GET", r"wide\?.*alt=media", answered=40_000),
}

WRITES = {"small": "data/small", "piece": "data/piece", "part": "data/large", "joining": "data/large"}
"""Requests that store content or complete an object, and that object."""


def faults(request: RequestKind) -> dict[str, Fault]:
    """Return faults for the middle of a request or of its response, by their kind."""
    found: dict[str, Fault] = {"busy": SendReply(503), "answer lost": LoseReply()}
    if request.sent:
        found |= {"reset": ResetRequest(request.sent // 2), "damaged": CorruptRequest(request.sent // 2)}
    if request.answered:
        half = request.answered // 2
        found |= {"reply reset": ResetReply(half), "reply truncated": Truncate(half)}
        # A flipped bit in the middle of a document may make another valid document, which no client can detect.
        found["reply damaged"] = CorruptReply(0 if request.document else half)
    return found


def stall_faults(request: RequestKind) -> dict[str, Fault]:
    """Return faults that are noticed only after a timeout, by their kind."""
    found: dict[str, Fault] = {"silence": Silence()}
    if request.sent:
        found["stalled"] = StallRequest(request.sent // 2)
    if request.answered and not request.document:
        found["reply stalled"] = StallReply(request.answered // 2)
    return found


def transient_faults(requests: Requests, kind: str) -> dict[str, Fault]:
    """Return the faults of a *kind* after which a retry succeeds. A damaged document in a response is an error."""
    quick = {where: faults(request)[kind] for where, request in requests.items() if kind in faults(request)}
    slow = {
        where: stall_faults(request)[kind]
        for where, request in requests.items()
        if kind in stall_faults(request) and not request.similar
    }
    return {
        where: fault
        for where, fault in {**quick, **slow}.items()
        if kind not in requests[where].harmless and not (kind == "reply damaged" and requests[where].document)
    }


def kinds_of(requests: Requests) -> list[str]:
    """Return the kinds of faults that a transfer with *requests* survives if they occur once."""
    kinds = {kind for request in requests.values() for kind in (*faults(request), *stall_faults(request))}
    return sorted(kind for kind in kinds if transient_faults(requests, kind))


STALL_KINDS = frozenset(stall_faults(RequestKind("GET", "", sent=1, answered=1)))
