"""
An executor of Airflow whose tasks share no file, as if each ran on a machine of its own.

A task can write only to folders that are empty and its own: its home and the folders for temporary files. Only its log
is written to a shared folder, where the API server reads it. The executors for containers start tasks with the same
program, and with the same document of a task.

Airflow imports this file alone, from a folder of `install`: it must not find the checkout in place of a wheel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.executors.base_executor import BaseExecutor

HIDDEN = "TEST_HIDDEN"
"""The variable with a folder that each task finds empty, but for its home, Airflow and the installed packages."""

STARTED = "TEST_STARTED"
"""The variable with a file to which each started task adds its id."""


def install(folder: Path, hidden: Path) -> dict[str, str]:
    """Put this executor into *folder*; return the variables for Airflow to use it."""
    folder.mkdir()
    shutil.copy(__file__, folder)
    return {
        "AIRFLOW__CORE__EXECUTOR": f"{Path(__file__).stem}.{SeparateMachines.__qualname__}",
        "PYTHONPATH": str(folder),
        HIDDEN: str(hidden),
        STARTED: str(folder / "started"),
    }


def started_tasks(folder: Path) -> list[str]:
    """Return the id of each task that was started by the executor in *folder*."""
    return (folder / "started").read_text().split()


class SeparateMachines(BaseExecutor):
    """Runs each task in a bubblewrap of its own."""

    is_local = True  # else `airflow standalone` takes another executor

    def start(self) -> None:
        self._processes: dict[Any, subprocess.Popen[bytes]] = {}

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        for workload in workload_items:
            del self.queued_tasks[workload.key]
            self._processes[workload.key] = subprocess.Popen(_command(workload.model_dump_json()))
            self.running.add(workload.key)
            with Path(os.environ[STARTED]).open("a") as file:
                print(workload.ti.task_id, file=file)

    def sync(self) -> None:
        """Report the ended tasks."""
        for key, process in list(self._processes.items()):
            if (status := process.poll()) is not None:
                del self._processes[key]
                self.fail(key) if status else self.success(key)

    def end(self) -> None:
        """Wait for the running tasks."""
        for process in self._processes.values():
            process.wait()

    def terminate(self) -> None:
        """Stop the running tasks."""
        for process in self._processes.values():
            process.terminate()


def _command(workload: str) -> list[str]:
    home, temporary, airflow = os.environ["HOME"], os.environ["TMPDIR"], os.environ["HOME"] + "/airflow"
    return [
        *("bwrap", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp"),
        *("--tmpfs", os.environ[HIDDEN], "--dir", home, "--dir", temporary),
        *("--ro-bind", sys.prefix, sys.prefix, "--ro-bind", airflow, airflow),
        *("--bind", f"{airflow}/logs", f"{airflow}/logs"),
        *(sys.executable, "-m", "airflow.sdk.execution_time.execute_workload", "--json-string", workload),
    ]
