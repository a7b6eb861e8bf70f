"""The pages: one shell, whose script looks at the address, and its assets. All of it comes with the package."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response

STATIC_DIR = Path(__file__).parent / "static"

PAGES = ("task", "run", "dag", "trainings")

SECURITY_HEADERS = {
    # Nothing from elsewhere, nothing written into the page, and only Airflow may frame it.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}


def register(app: FastAPI) -> None:
    """Add the pages to *app*. They hold no data, so nobody is asked who they are."""

    async def page() -> Response:
        return FileResponse(
            STATIC_DIR / "index.html", media_type="text/html", headers={**SECURITY_HEADERS, "Cache-Control": "no-cache"}
        )

    for name in PAGES:
        app.get(f"/{name}")(page)

    @app.get("/assets/{name}")
    async def asset(request: Request, name: str) -> Response:
        path = STATIC_DIR / "assets" / name
        if path.name != name or path.suffix not in MEDIA_TYPES or not path.is_file():
            raise HTTPException(404, "There is no such file")
        whole = FileResponse(
            path,
            media_type=MEDIA_TYPES[path.suffix],
            headers={**SECURITY_HEADERS, "Cache-Control": "no-cache"},
            stat_result=path.stat(),  # with it the ETag is known at once
        )
        # Whatever compresses the answer on its way may have called the tag a weak one.
        if request.headers.get("if-none-match", "").removeprefix("W/") == whole.headers["etag"]:
            return Response(status_code=304, headers={"ETag": whole.headers["etag"], "Cache-Control": "no-cache"})
        return whole
