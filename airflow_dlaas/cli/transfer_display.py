"""What `upload` and `download` print: their progress, their plan and their result."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_dlaas.cli.output import print_json, print_line

if TYPE_CHECKING:
    from airflow_dlaas.storage.transfer.api import TransferReport, UploadPlan
    from airflow_dlaas.storage.transfer.worker_pool import Progress, ProgressCallback


class _StderrLogger:
    """Prints log messages to stderr, where no logging is configured."""

    def log(self, _level: int, message: Any, /, *args: Any) -> None:
        """Print the message."""
        print_line(message % args, err=True)


@contextmanager
def progress_display(verb: str) -> Iterator[ProgressCallback]:
    """Show a progress bar on a terminal, otherwise a line every few seconds; on stderr, so that stdout can be piped."""
    if not sys.stderr.isatty():
        from airflow_dlaas.storage.transfer.progress_logger import ProgressLogger

        yield ProgressLogger(verb, _StderrLogger())
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.fields[files]}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("", total=None, files="comparing")

        def update(progress: Progress) -> None:
            files = f"{progress.files_done} of {progress.files_total} files"
            display.update(task, completed=progress.bytes_done, total=progress.bytes_total, files=files)

        yield update


def print_plan(plan: UploadPlan, container: str, *, as_json: bool) -> None:
    """Print what an upload to *container* would do."""
    if as_json:
        print_json(
            {
                "container": container,
                "creates_container": plan.creates_container,
                "send": [{"name": source.name, "bytes": source.size} for source in plan.uploads],
                "delete": list(plan.deletions),
                "bytes": plan.bytes,
                "unchanged": plan.unchanged,
            }
        )
        return
    if plan.creates_container:
        print_line(f"container {container} would be created")
    for source in plan.uploads:
        print_line(f"send    {source.name} ({source.size:,} bytes)")
    for name in plan.deletions:
        print_line(f"delete  {name}")
    upload_text = f"{len(plan.uploads)} files to send ({plan.bytes:,} bytes)"
    print_line(f"{upload_text}, {plan.unchanged} unchanged, {len(plan.deletions)} to delete")


def print_report(report: TransferReport, text: str, *, as_json: bool) -> None:
    """Print the result of a transfer: *text*, or as JSON its numbers and the folders with results of trainings."""
    if as_json:
        print_json(
            {
                "files": report.files,
                "bytes": report.bytes,
                "unchanged": report.unchanged,
                "deleted": report.deleted,
                "result_folders": list(report.result_folders),
            }
        )
    else:
        print_line(text)
