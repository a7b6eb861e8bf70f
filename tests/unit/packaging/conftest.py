"""Fixtures of the tests of archives."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a zip of entries, each a name or a ZipInfo with its content."""

    def make(*content: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
        path = tmp_path / "code.zip"
        with zipfile.ZipFile(path, "w") as made:
            for name, data in content:
                made.writestr(name, data)
        return path

    return make
