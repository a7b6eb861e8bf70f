"""How the pages show the files of a training's results. Pure functions."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from itertools import islice
from typing import Literal
from urllib.parse import quote

from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.contract.results import CHECKPOINTS_FOLDER, MARKER_BASENAME
from airflow_dlaas.plugin.response_models import ResultFile, ResultFiles, TextPreview
from airflow_dlaas.storage.object_store import StoredObject

MAX_FILES = 1000
"""Files in one list."""

PREVIEW_BYTES = 64 * 1024
"""Bytes of a file that a page shows."""

IMAGE_TYPES = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""The files that a browser may show inline: no script can be in them. SVG is not among them."""

TEXT_SUFFIXES = frozenset(
    {".bib", ".cfg", ".conf", ".csv", ".err", ".htm", ".html", ".ini", ".json", ".jsonl", ".log", ".md", ".out"}
    | {".pbtxt", ".prototxt", ".py", ".rst", ".sh", ".svg", ".tex", ".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml"}
)
"""The files that are shown as text, as they are: a page of HTML as its source."""


def preview_kind(name: str) -> Literal["text", "image"] | None:
    """Return how a page can show the file *name*; None where it cannot."""
    suffix = _suffix(name)
    return "image" if suffix in IMAGE_TYPES else "text" if suffix in TEXT_SUFFIXES else None


def image_type(name: str) -> str | None:
    """Return the content type of the image *name*; None for a file that is not shown inline."""
    return IMAGE_TYPES.get(_suffix(name))


def result_files(container: str, folder: str, listing: Iterable[StoredObject]) -> ResultFiles:
    """
    Build the list of the files in *folder*, without its internal objects and what only marks a folder; names are
    relative to it.

    :param listing: the objects in the folder, by name; no more than needed is read.
    """
    prefix = f"{folder}/"
    files = (
        ResultFile(
            name=one.name.removeprefix(prefix),
            size=one.size,
            modified_at=one.modified,
            preview=preview_kind(one.name),
        )
        for one in listing
        if one.name != prefix + MARKER_BASENAME
        and not one.name.startswith(f"{prefix}{CHECKPOINTS_FOLDER}/")
        and not one.is_folder_marker
        and not one.name.endswith("/")
    )
    found = list(islice(files, MAX_FILES + 1))
    return ResultFiles(container=container, location=folder, files=found[:MAX_FILES], truncated=len(found) > MAX_FILES)


def text_preview(content: bytes) -> TextPreview:
    """Return the text of the first `PREVIEW_BYTES` of *content*; there is more if it is longer."""
    truncated = len(content) > PREVIEW_BYTES
    # Of a character that the limit cuts, nothing is shown.
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    text = decoder.decode(content[:PREVIEW_BYTES], final=not truncated)
    return TextPreview(text=escape_control_characters(text.replace("\r\n", "\n")), truncated=truncated)


def download_headers(file_name: str, *, inline: bool = False) -> dict[str, str]:
    """
    Return the headers of a response with the content of a file.

    The browser saves it as *file_name*, unless it may be shown *inline*; in no case it guesses another type, or runs
    anything in it.
    """
    plain = "".join(one if one.isascii() and one.isprintable() and one not in '"\\%' else "_" for one in file_name)
    return {
        "Content-Disposition": (
            f'{"inline" if inline else "attachment"}; filename="{plain}"; '
            f"filename*=UTF-8''{quote(file_name, safe='', errors='replace')}"
        ),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }


def _suffix(name: str) -> str:
    base = name.rpartition("/")[2]
    return base[base.rfind(".") :].lower() if "." in base else ""
