"""How the console describes training data. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from airflow_dlaas.contract.byte_size import format_bytes
from airflow_dlaas.contract.data_report import DataReport, DataSourceReport, LoadProgress
from airflow_dlaas.contract.stores import StoreType

SHORT_VERSION = len("sha256:") + 12
"""Characters of a version in a line for people."""

MAX_NAMES = 20
"""Names of each kind of change that are printed; JSON has all."""

MARKS = {"added": "+", "removed": "-", "changed": "~"}
"""The marks of changed names, by the kind of the change."""


def describe_loading(progress: LoadProgress) -> str:
    """Return the progress: ``1.5 GiB of 6.0 GiB, 120 of 1,000 files, 85.0 MiB/s, 0:00:54 left``."""
    parts = [
        f"{format_bytes(progress.bytes)} of {format_bytes(progress.total_bytes)}",
        f"{progress.files:,} of {progress.total_files:,} files",
    ]
    if progress.bytes_per_second is not None:
        parts.append(f"{format_bytes(progress.bytes_per_second)}/s")
    if progress.seconds_left is not None:
        parts.append(f"{timedelta(seconds=round(progress.seconds_left))} left")
    return ", ".join(parts)


def describe_data(report: DataReport | None) -> str | None:
    """Return what was read, a line for each source; None without a report."""
    if report is None:
        return None
    lines = [describe_source(one) for one in report.sources]
    if report.seconds is not None and lines:
        lines.append(f"in place after {report.seconds:.1f} s")
    return "\n".join(lines)


def describe_source(source: DataSourceReport) -> str:
    """Return a source: ``digits/train: 1,000 files (1.5 GiB), sha256:0123456789ab…, 900 files (1.4 GiB) cached``."""
    return f"{source_name(source)}: {', '.join(_source_parts(source))}"


def source_name(source: DataSourceReport) -> str:
    """Return the container and the folder in it, or the path of a mounted folder."""
    return f"{source.name}/{source.prefix.strip('/')}" if source.prefix else source.name


def _source_parts(source: DataSourceReport) -> Iterator[str]:
    if source.files is None:
        yield "mounted"
    else:
        yield describe_files(source.files, source.bytes)
    if source.version is not None:
        yield f"{source.version[:SHORT_VERSION]}…"
    if source.cached_files:
        yield f"{describe_files(source.cached_files, source.cached_bytes)} from the cache"


def describe_files(files: int, size: int | None) -> str:
    """Return a number of files and their size: ``1 file (3 B)``."""
    count = f"{files:,} file{'' if files == 1 else 's'}"
    return count if size is None else f"{count} ({format_bytes(size)})"


def comparison_lines(
    before: DataSourceReport | None, after: DataSourceReport | None, changes: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """
    Yield how one source of two trainings differs: a line with the numbers, and the first names of each kind.

    :param changes: the names by ``added``, ``removed`` and ``changed``.
    """
    if before is None or after is None:
        if (only := before or after) is not None:
            yield f"only the {'first' if after is None else 'second'}: {describe_source(only)}"
        return
    title = " → ".join(dict.fromkeys((source_name(before), source_name(after))))
    if StoreType.MOUNT in {before.type, after.type}:
        yield f"{title}: a mounted folder is not listed, so it is not compared"
        return
    counts = ", ".join(f"{len(names):,} {kind}" for kind, names in changes.items() if names)
    yield f"{title}: {counts or f'equal ({after.version})'}"
    for kind, names in changes.items():
        yield from (f"  {MARKS[kind]} {name}" for name in names[:MAX_NAMES])
        if len(names) > MAX_NAMES:
            yield f"  {MARKS[kind]} and {len(names) - MAX_NAMES:,} more"
