"""
Measures what the import of the provider adds to `airflow.sdk` in a DAG file: CPU time and new packages.

Run by hand: ``python benchmarks/imports.py``. Each round is a new process, like each parse of a DAG file. The rounds of
all subjects are interleaved, so that a change of the machine's speed affects all of them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

ROUNDS = 11

SUBJECTS = {
    "operators": [f"airflow_dlaas.operators.{name}" for name in ("data", "experiment", "model", "training")],
    "sensors": ["airflow_dlaas.sensors.data", "airflow_dlaas.sensors.training"],
    "hooks": ["airflow_dlaas.hooks.dlaas", "airflow_dlaas.hooks.swift"],
    "triggers": ["airflow_dlaas.triggers.data", "airflow_dlaas.triggers.training"],
}
SUBJECTS["all of them"] = [module for modules in SUBJECTS.values() for module in modules]

PROBE = """
import json, sys, time
from airflow.sdk import DAG, BaseHook, BaseOperator, BaseSensorOperator, conf, task
if "--with-trigger-base" in sys.argv:
    import airflow.triggers.base
before = {name.partition(".")[0] for name in sys.modules}
started = time.process_time()
for name in sys.argv[2:]:
    __import__(name)
cpu_seconds = time.process_time() - started
new = {name.partition(".")[0] for name in sys.modules} - before - set(sys.stdlib_module_names)
print(json.dumps([cpu_seconds * 1000, sorted(new)]))
"""


def measure(modules: list[str], flag: str) -> tuple[float, list[str]]:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE, flag, *modules], capture_output=True, text=True, check=True
    )
    milliseconds, new_packages = json.loads(run.stdout.splitlines()[-1])
    return float(milliseconds), new_packages


def main() -> None:
    flags = {
        "--with-trigger-base": "with airflow.triggers.base imported before, as in every process that parses DAG files",
        "--bare": "with only airflow.sdk imported before",
    }
    for flag, meaning in flags.items():
        print(meaning)
        times: dict[str, list[float]] = {name: [] for name in SUBJECTS}
        new: dict[str, list[str]] = {}
        for _ in range(ROUNDS):
            for name, modules in SUBJECTS.items():
                milliseconds, new[name] = measure(modules, flag)
                times[name].append(milliseconds)
        for name, measured in times.items():
            print(
                f"  {name:12} {statistics.median(measured):6.2f} ms CPU (median of {ROUNDS}, "
                f"{min(measured):.2f} to {max(measured):.2f}), new packages: {', '.join(new[name])}"
            )


if __name__ == "__main__":
    main()
