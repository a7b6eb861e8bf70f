"""The code: checked and packed before any request, published as a version of an experiment."""

from __future__ import annotations

import shutil
from pathlib import Path

from airflow_dlaas.cli.train.options import CodeSource
from airflow_dlaas.exceptions import InvalidArgument, InvalidBundle
from airflow_dlaas.packaging import archive


def pack_code(source: CodeSource, target: Path) -> str:
    """
    Write the zip of the code to *target*; return what it has, in words.

    :raises InvalidBundle: the code cannot be packed, or the zip is not one of code; the message has the way out.
    """
    if source.path.is_dir():
        archive.pack(
            source.path,
            target=target,
            exclude=source.exclude,
            allow_nested=source.allow_nested,
            allow_secrets=source.allow_secrets,
        )
    elif source.path.is_file():
        if source.exclude or source.allow_secrets:
            raise InvalidArgument(f"--exclude, --allow-secrets: {source.path} is a zip, which is uploaded as it is")
        archive.require_safe_archive(
            source.path, allow_nested=source.allow_nested, unpacked_limit=archive.DEFAULT_UNPACKED_LIMIT
        )
        shutil.copyfile(source.path, target)
    else:
        raise InvalidBundle(f"{source.path} does not exist: give the folder of the code, or a zip of it")
    return f"{source.path}: {target.stat().st_size:,} bytes as a zip"
