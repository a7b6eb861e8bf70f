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

from airflow_dlaas.plugin import response_models
from airflow_dlaas.plugin.app import create_app
from airflow_dlaas.plugin.xcoms import TaskInstanceRef

UI = Path(__file__).parent

VALIDATION_SCHEMAS = ("HTTPValidationError", "ValidationError")
"""FastAPI's own; they differ between its versions, and no page reads them."""


OWN_MODELS = {
    TaskInstanceRef.__name__,
    *(
        name
        for name, one in vars(response_models).items()
        if getattr(one, "__module__", "") == response_models.__name__
    ),
}


def openapi_document() -> dict[str, Any]:
    """
    Return an OpenAPI document with the schemas of the plugin's API and without its paths.

    Only the plugin's own models keep their descriptions: the contract's may be reworded without a change of the pages.
    """
    schemas: dict[str, Any] = create_app().openapi()["components"]["schemas"]
    selected = {
        name: _without(schema, {"title"} if name in OWN_MODELS else {"title", "description"})
        for name, schema in schemas.items()
        if name not in VALIDATION_SCHEMAS
    }
    info = {"title": "DLaaS", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": {}, "components": {"schemas": selected}}


def _without(schema: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """Remove *keys* from *schema* and from its properties."""
    selected = {key: value for key, value in schema.items() if key not in keys}
    if "properties" in schema:
        selected["properties"] = {
            name: {key: value for key, value in inner.items() if key not in keys}
            for name, inner in schema["properties"].items()
        }
    return selected


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
