"""The targets of requests to the JSON API: quoted paths with queries. No I/O."""

from __future__ import annotations

from urllib.parse import quote, urlencode

OBJECT_FIELDS = "name,size,md5Hash,crc32c,generation,updated,metadata"
"""The fields of an object that are requested; without such a list the store sends four times as much."""


def buckets(**query: str) -> str:
    """Return the target for the buckets of a project."""
    return _with_query("/storage/v1/b", query)


def bucket(container: str) -> str:
    """Return the target for a bucket."""
    return f"/storage/v1/b/{_quote(container)}"


def objects(container: str, **query: str) -> str:
    """Return the target for the listing of a bucket."""
    return _with_query(f"{bucket(container)}/o", query)


def stored_object(container: str, name: str, **query: str) -> str:
    """Return the target for an object. A slash in its name is quoted."""
    return _with_query(f"{bucket(container)}/o/{_quote(name)}", query)


def media(container: str, name: str, generation: str = "") -> str:
    """Return the target for the content of an object; with *generation* only for that one (else the status is 412)."""
    condition = {"ifGenerationMatch": generation} if generation else {}
    return stored_object(container, name, alt="media", **condition)


def upload(container: str) -> str:
    """Return the target for an object that is sent with its metadata in one request."""
    query = {"uploadType": "multipart", "fields": OBJECT_FIELDS}
    return _with_query(f"/upload/storage/v1/b/{_quote(container)}/o", query)


def compose(container: str, name: str) -> str:
    """Return the target that makes an object of others in the same bucket."""
    return _with_query(f"{stored_object(container, name)}/compose", {"fields": OBJECT_FIELDS})


def rewrite(container: str, name: str, to_container: str, to_name: str, token: str = "") -> str:
    """Return the target that copies an object; *token* continues a copy that a request did not complete."""
    target = f"{stored_object(container, name)}/rewriteTo/b/{_quote(to_container)}/o/{_quote(to_name)}"
    return _with_query(target, {"fields": "done,rewriteToken"} | ({"rewriteToken": token} if token else {}))


BATCH = "/batch/storage/v1"
"""The target of a batch of requests."""


def _quote(name: str) -> str:
    return quote(name, safe="")


def _with_query(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path
