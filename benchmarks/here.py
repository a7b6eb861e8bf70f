"""
Overhead of ``airflow-dlaas train --here``: a command with nothing to do, beside the same command without it, in turns.

Run by hand: ``python benchmarks/here.py``. The processor time of all processes is printed too: on a machine that does
other work, it is what remains comparable.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROUNDS = 5

PROGRAM = "train.py"


def seconds(line: Sequence[str], folder: Path) -> float:
    """Return the seconds that *line* takes in *folder*. Raises `CalledProcessError` if it fails."""
    begun = time.monotonic()
    subprocess.run(line, cwd=folder, check=True, capture_output=True)
    return time.monotonic() - begun


def processor_seconds() -> float:
    """Return the processor time of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    console = [sys.executable, "-m", "airflow_dlaas.cli"]
    here = [*console, "train", "code", "--command", f"python {PROGRAM}", "--data", "data", "--here", "--quiet"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one in ("code", "data"):
            (folder / one).mkdir()
        (folder / "code" / PROGRAM).write_text("pass\n")
        (folder / "data" / "numbers.txt").write_text("1 2 3\n")
        seconds(here, folder)  # compiles what has not been imported before
        bare, trained, processor = [], [], []
        for _ in range(ROUNDS):
            bare.append(seconds([sys.executable, f"code/{PROGRAM}"], folder))
            before = processor_seconds()
            trained.append(seconds(here, folder))
            processor.append(processor_seconds() - before)
        version = [seconds([*console, "version"], folder) for _ in range(3)]
        shutil.rmtree(folder / "results")
    differences = [one - other for one, other in zip(trained, bare, strict=True)]
    print(
        f"train --here, more than the bare command: {statistics.median(differences):.2f} s (median of {ROUNDS}, "
        f"{min(differences):.2f} to {max(differences):.2f}); the bare command takes {statistics.median(bare):.2f} s, "
        f"airflow-dlaas version {statistics.median(version):.2f} s; processor time of train --here "
        f"{statistics.median(processor):.2f} s"
    )


if __name__ == "__main__":
    main()
