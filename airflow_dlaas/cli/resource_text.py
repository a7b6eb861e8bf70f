"""How the console describes the resources of a training. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_dlaas.contract.byte_size import format_bytes
from airflow_dlaas.contract.resource_report import ResourceAmounts, ResourceReport


def describe_resources(report: ResourceReport | None) -> str | None:
    """Return what was requested, given and used, a line each, and what is enforced; None without a report."""
    return None if report is None else "\n".join(_lines(report))


def describe_amounts(amounts: ResourceAmounts) -> str:
    """Return the amounts that are known: ``0 GPUs, 1.5 CPUs, 16.0 GiB memory``."""
    parts = [_count(number, unit) for number, unit in ((amounts.gpus, "GPU"), (amounts.cpus, "CPU"))]
    sizes = ((amounts.memory, "memory"), (amounts.shared_memory, "shared memory"))
    parts += [None if size is None else f"{format_bytes(size)} {name}" for size, name in sizes]
    return ", ".join(one for one in parts if one is not None)


def _lines(report: ResourceReport) -> Iterator[str]:
    yield f"requested: {describe_amounts(report.requested)}"
    if report.given is not None and report.given != report.requested:
        yield f"given: {describe_amounts(report.given)}"
    if report.used is not None:
        yield f"used: {describe_amounts(report.used)}"
    if report.enforced_by is not None:
        what = ", ".join(one.replace("_", " ") for one in report.enforced) or "no limit"
        yield f"enforced: {what} ({report.enforced_by})"


def _count(number: float | None, unit: str) -> str | None:
    return None if number is None else f"{number:g} {unit}{'' if number == 1 else 's'}"
