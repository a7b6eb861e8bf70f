"""The pages: one HTML document, whose script selects the page by the URL, and its assets from this package."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response

STATIC_DIR = Path(__file__).parent / "static"

PAGES = ("task", "run", "dag", "trainings")

SECURITY_HEADERS = {
    # No content from other origins, no inline scripts, and only Airflow itself may show the page in a frame.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}

router = APIRouter(include_in_schema=False)
"""The routes of the pages. They contain no data and need no login."""


async def _page() -> Response:
    return FileResponse(
        STATIC_DIR / "index.html", media_type="text/html", headers={**SECURITY_HEADERS, "Cache-Control": "no-cache"}
    )


for _name in PAGES:
    router.get(f"/{_name}")(_page)


@router.get("/assets/{name}")
async def asset(request: Request, name: str) -> Response:
    """Return an asset, or 304 where the browser has this version."""
    path = STATIC_DIR / "assets" / name
    if path.name != name or path.suffix not in MEDIA_TYPES or not path.is_file():
        raise HTTPException(404, "There is no such file")
    response = FileResponse(
        path,
        media_type=MEDIA_TYPES[path.suffix],
        headers={**SECURITY_HEADERS, "Cache-Control": "no-cache"},
        stat_result=path.stat(),  # makes the ETag available before the file is sent
    )
    # A proxy that compresses responses may have changed the ETag to a weak one.
    if request.headers.get("if-none-match", "").removeprefix("W/") == response.headers["etag"]:
        return Response(status_code=304, headers={"ETag": response.headers["etag"], "Cache-Control": "no-cache"})
    return response
