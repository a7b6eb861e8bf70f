"""
Generate ``src/api/types.ts`` from the plugin's response models, with openapi-typescript.

Run it after ``npm ci``, with a Python that has the package installed: ``python ui/generate_types.py [TARGET]``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from airflow_dlaas.plugin.app import create_app

UI = Path(__file__).parent

VALIDATION_SCHEMAS = ("HTTPValidationError", "ValidationError")
"""FastAPI's own; they differ between its versions, and no page reads them."""


def openapi_document() -> dict[str, Any]:
    """Return an OpenAPI document with the schemas of the plugin's API and without its paths."""
    schemas: dict[str, Any] = create_app().openapi()["components"]["schemas"]
    kept = {name: _without_titles(schema) for name, schema in schemas.items() if name not in VALIDATION_SCHEMAS}
    return {
        "openapi": "3.1.0",
        "info": {"title": "DLaaS", "version": "1"},
        "paths": {},
        "components": {"schemas": kept},
    }


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    properties = {
        name: {key: value for key, value in inner.items() if key != "title"}
        for name, inner in schema.get("properties", {}).items()
    }
    rest = {key: value for key, value in schema.items() if key != "title"}
    return {**rest, "properties": properties} if "properties" in schema else rest


def generate(target: Path, ui: Path = UI) -> None:
    """Write the types to *target*, with the packages that are installed in *ui*."""
    with tempfile.TemporaryDirectory() as name:
        document = Path(name) / "openapi.json"
        document.write_text(json.dumps(openapi_document()))
        program = ui / "node_modules" / ".bin" / "openapi-typescript"
        options = ("--root-types", "--root-types-no-schema-prefix", "--output", str(target))
        subprocess.run([program, document, *options], cwd=ui, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else UI / "src" / "api" / "types.ts")
