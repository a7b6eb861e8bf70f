"""
An S3 store that answers from memory, and checks no signature: with it a benchmark measures clients instead of stores.

    python benchmarks/memory_s3.py PORT

It has what the clients of `s3_clients.py` send: buckets, listings of one page, PUT, GET with ranges, HEAD, and uploads
in parts.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from urllib.parse import parse_qs, unquote, urlsplit

MAX_LINE = 1024**2
DATE = "Tue, 01 Jul 2025 00:00:00 GMT"


class MemoryS3:
    """The buckets, as `(content, ETag)` by name; the sizes of the parts of objects; and the parts of uploads."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, tuple[bytes, str]]] = {}
        self.part_sizes: dict[tuple[str, str], list[int]] = {}
        self.uploads: dict[str, dict[int, tuple[bytes, str]]] = {}

    def respond(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[str, dict[str, str], bytes]:
        """Return the status, the headers and the body of a response."""
        url = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        bucket, _, name = unquote(url.path).lstrip("/").partition("/")
        if not name:
            return self._respond_for_bucket(method, bucket, query)
        objects = self.buckets.setdefault(bucket, {})
        match method:
            case "PUT" if "uploadId" in query:
                part = _stored(headers, body)
                self.uploads[query["uploadId"]][int(query["partNumber"])] = part
                return "200 OK", {"ETag": f'"{part[1]}"'}, b""
            case "PUT":
                objects[name] = _stored(headers, body)
                return "200 OK", {"ETag": f'"{objects[name][1]}"'}, b""
            case "POST" if "uploads" in query:
                upload_id = f"upload-{len(self.uploads)}"
                self.uploads[upload_id] = {}
                keys = f"<Bucket>{bucket}</Bucket><Key>{name}</Key><UploadId>{upload_id}</UploadId>"
                return "200 OK", {}, _xml("InitiateMultipartUploadResult", keys)
            case "POST":
                parts = [part for _, part in sorted(self.uploads.pop(query["uploadId"]).items())]
                digest = hashlib.md5(b"".join(bytes.fromhex(etag) for _, etag in parts), usedforsecurity=False)
                etag = f"{digest.hexdigest()}-{len(parts)}"
                objects[name] = b"".join(content for content, _ in parts), etag
                self.part_sizes[bucket, name] = [len(content) for content, _ in parts]
                keys = f'<Bucket>{bucket}</Bucket><Key>{name}</Key><ETag>"{etag}"</ETag>'
                return "200 OK", {}, _xml("CompleteMultipartUploadResult", keys)
        if name not in objects:
            return "404 Not Found", {}, b"" if method == "HEAD" else _xml("Error", "<Code>NoSuchKey</Code>")
        if "partNumber" in query:
            return self._head_part(bucket, name, int(query["partNumber"]))
        return _read(method, headers, *objects[name])

    def _head_part(self, bucket: str, name: str, number: int) -> tuple[str, dict[str, str], bytes]:
        content, etag = self.buckets[bucket][name]
        sizes = self.part_sizes.get((bucket, name), [len(content)])
        if number > len(sizes):
            return "416 Range Not Satisfiable", {}, b""
        start, size = sum(sizes[: number - 1]), sizes[number - 1]
        known = {
            "ETag": f'"{etag}"',
            "Last-Modified": DATE,
            "Content-Length": str(size),
            "Content-Range": f"bytes {start}-{start + size - 1}/{len(content)}",
            "x-amz-mp-parts-count": str(len(sizes)),
        }
        return "206 Partial Content", known, b""

    def _respond_for_bucket(self, method: str, bucket: str, query: dict[str, str]) -> tuple[str, dict[str, str], bytes]:
        if method != "GET":
            self.buckets.setdefault(bucket, {})
            return "200 OK", {}, b""
        if "uploads" in query:
            return "200 OK", {}, _xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>")
        entries = "".join(
            f"<Contents><Key>{name}</Key><LastModified>2025-07-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{etag}&quot;</ETag><Size>{len(content)}</Size></Contents>"
            for name, (content, etag) in sorted(self.buckets.get(bucket, {}).items())
        )
        return "200 OK", {}, _xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{entries}")


def _stored(headers: dict[str, str], body: bytes) -> tuple[bytes, str]:
    content = _decoded(body) if "x-amz-decoded-content-length" in headers else body
    return content, hashlib.md5(content, usedforsecurity=False).hexdigest()


def _decoded(body: bytes) -> bytes:
    """Return the content of a body of chunks, each after a line with its size in hexadecimal (``aws-chunked``)."""
    content: list[bytes] = []
    start = 0
    while True:
        end = body.index(b"\r\n", start)
        size = int(body[start:end].partition(b";")[0], 16)
        if not size:
            return b"".join(content)
        content.append(body[end + 2 : end + 2 + size])
        start = end + 4 + size


def _read(method: str, headers: dict[str, str], content: bytes, etag: str) -> tuple[str, dict[str, str], bytes]:
    known = {"ETag": f'"{etag}"', "Last-Modified": DATE, "Accept-Ranges": "bytes"}
    if method == "HEAD":
        return "200 OK", known | {"Content-Length": str(len(content))}, b""
    if "range" not in headers:
        return "200 OK", known, content
    first, last = headers["range"].removeprefix("bytes=").split("-")
    stop = min(int(last or len(content)) + 1, len(content))
    known["Content-Range"] = f"bytes {first}-{stop - 1}/{len(content)}"
    return "206 Partial Content", known, content[int(first) : stop]


def _xml(root: str, content: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{root}>{content}</{root}>'.encode()


async def serve_connection(store: MemoryS3, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    try:
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            status, known, content = store.respond(method, target, headers, body)
            known = {"Content-Length": str(len(content)), "Date": DATE} | known
            head = "".join(f"{name}: {value}\r\n" for name, value in known.items())
            writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode())
            writer.write(content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port: int) -> None:
    """Serve on *port* of the loopback interface."""
    store = MemoryS3()
    server = await asyncio.start_server(lambda *ends: serve_connection(store, *ends), "127.0.0.1", port, limit=MAX_LINE)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
