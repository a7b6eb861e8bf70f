"""The type of a request, and the parts that requests have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import quote, urlencode

from airflow_dlaas.contract.base import ApiModel
from airflow_dlaas.contract.stores import REVEAL_SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

JSON_CONTENT_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    One request, and the function that reads its response.

    Its repr shows neither body nor headers: a definition contains the credentials of object stores.
    """

    method: str
    path: str
    """From the service's root on, percent-encoded, with the query."""
    parse: Callable[[bytes], T] = field(compare=False, repr=False)
    body: ApiModel | tuple[ApiModel, ...] | bytes | Path | None = field(default=None, repr=False)
    """Models are sent as JSON, with their secrets in clear; the file at a path is streamed, anew for each attempt."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_idempotent: bool = False
    """Whether a second identical request has no further effect, so that the call can be retried."""
    content_type: str | None = None
    save_to: Path | None = None
    """The file that the body of a successful response is written to, completely or not at all; `parse` then receives
    no content."""
    uses_basic_auth: bool = False
    """Whether it carries login and password instead of a token; only the request for the token does."""
    long_poll_seconds: float = 0
    """Seconds that the service may delay the response on purpose; they are added to the read timeout."""

    def payload(self) -> bytes | Path | None:
        """Return the body to send, secrets included; never log it."""
        match self.body:
            case ApiModel():
                return _to_json(self.body)
            case tuple():
                return b"[" + b",".join(map(_to_json, self.body)) + b"]"
            case _:
                return self.body


def _to_json(model: ApiModel) -> bytes:
    return model.model_dump_json(by_alias=True, exclude_none=True, context=REVEAL_SECRETS).encode()


def get_request(
    path: str, parse: Callable[[bytes], T], *, save_to: Path | None = None, long_poll_seconds: float = 0
) -> Call[T]:
    """Return a GET, which is idempotent."""
    return Call("GET", path, parse, is_idempotent=True, save_to=save_to, long_poll_seconds=long_poll_seconds)


def delete_request(path: str) -> Call[None]:
    """Return a DELETE, which is idempotent."""
    return Call("DELETE", path, no_content, is_idempotent=True)


def no_content(_: bytes) -> None:
    """Read a response whose content does not matter."""


def encode_query(**parameters: str | int | None) -> str:
    """Return the query for *parameters*, without those that are None."""
    return urlencode({name: value for name, value in parameters.items() if value is not None})


def quote_segment(segment: str) -> str:
    """
    Percent-encode one segment of a path.

    Dots are encoded in a segment of dots only: programs that normalize the path would take it for this directory or
    for the one above.
    """
    return quote(segment, safe="") if segment.strip(".") else segment.replace(".", "%2E")
