"""
Cost of the pipe between a command and its log: lines and bytes per second, and the delay until a line is in the file.

Run by hand: ``python benchmarks/log.py``. Each load runs with the file as stdout, with the learner's pipe as stdout,
and with a pipe whose log masks secrets, in turns, so that all are measured under the same conditions. The start of
Python is not counted: a load measures its own duration, and prints it to stderr.
"""

from __future__ import annotations

import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.service.learner.log_pipe import LogPipe
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.secret_mask import SecretMask

ROUNDS = 3
LINES, MIB, TICKS = 100_000, 256, 300

TIMED = "import os, sys, time\nbegun = time.monotonic()\n{}\nprint(time.monotonic() - begun, file=sys.stderr)"
FLUSHED = TIMED.format(f"for i in range({LINES}): os.write(1, b'Iter 100, loss= 0.123456, accuracy= 0.9876\\n')")
PRINTED = TIMED.format(f"for i in range({LINES}): print('Iter', i, 'loss= 0.123456, accuracy= 0.9876')")
BULK = TIMED.format(f"for i in range({MIB}): os.write(1, bytes(1 << 20))")
TICKING = f"import os, time\nfor i in range({TICKS}): time.sleep(0.01); os.write(1, b'%d\\n' % time.monotonic_ns())"


FILE, PIPE, MASKED, PEM = "file", "pipe", "pipe, 3 secrets", "pipe, a private key"
SECRETS = {
    PIPE: [],
    MASKED: ["hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "0123456789abcdef" * 4, "correct horse battery staple"],
    PEM: [
        "\n".join(["-----BEGIN PRIVATE KEY-----", *(f"{n:04}" * 16 for n in range(26)), "-----END PRIVATE KEY-----"])
    ],
}
"""By output: what its log masks. Tokens are the usual case, a private key of 28 lines is not."""


def run(script: str, log: Path, *, output: str, watch: Callable[[], None] = lambda: None) -> float:
    """Run *script* with *log* as its output; return the seconds that it measured."""
    log.unlink(missing_ok=True)
    logger = logging.getLogger("log")
    mask = SecretMask.of_values(SECRETS.get(output, []))
    with (
        nullcontext()
        if output == FILE
        else LogPipe(log.with_name("output"), LogWriter(log, 1 << 40, logger, mask=mask)) as pipe,
        log.open("ab", buffering=0) as file,
        subprocess.Popen(
            [sys.executable, "-u", "-c", script], stdout=pipe.writer if pipe else file, stderr=subprocess.PIPE
        ) as process,
    ):
        if pipe:
            pipe.close_writer()
        watch()
        _, seconds = process.communicate()
    return float(seconds or 0)


def delays(log: Path, *, output: str) -> list[float]:
    """Return the milliseconds from the write of each line until it can be read from *log*."""
    milliseconds: list[float] = []

    def watch() -> None:
        with log.open("rb") as file:
            while len(milliseconds) < TICKS:
                now, line = time.monotonic_ns(), file.readline()
                if line.endswith(b"\n"):
                    milliseconds.append((now - int(line)) / 1e6)
                time.sleep(0.0002)

    run(TICKING, log, output=output, watch=watch)
    return milliseconds


def main() -> None:
    """Measure, and print the results."""
    loads = (
        ("a write for each line", FLUSHED, LINES / 1000, "thousand lines/s"),
        ("print(), unbuffered", PRINTED, LINES / 1000, "thousand lines/s"),
        ("1 MiB writes", BULK, MIB, "MiB/s"),
    )
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        for name, script, amount, unit in loads:
            seconds: dict[str, list[float]] = {output: [] for output in (FILE, *SECRETS)}
            for _ in range(ROUNDS):
                for output, measured in seconds.items():
                    measured.append(run(script, log, output=output))
            rates = {output: amount / statistics.median(measured) for output, measured in seconds.items()}
            print(f"{name} ({unit}):")
            for output, rate in rates.items():
                print(f"    {output:22} {rate:8,.0f}, {rate / rates[FILE]:.2f} of the file's rate")
        for output in seconds:
            sorted_delays = sorted(delays(log, output=output))
            print(
                f"line to log, {output:22} median {statistics.median(sorted_delays):.2f} ms, "
                f"99 % {sorted_delays[int(len(sorted_delays) * 0.99)]:.2f} ms"
            )


if __name__ == "__main__":
    main()
