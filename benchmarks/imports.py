"""
What importing the provider costs a DAG file, on top of `airflow.sdk`: CPU time, and packages that were not there.

Run by hand: ``python benchmarks/imports.py``. Each round is a fresh process, as each parse of a DAG file is; rounds
of all subjects are interleaved, so that a machine that changes its speed changes it for all.
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
begun = time.process_time()
for name in sys.argv[2:]:
    __import__(name)
spent = time.process_time() - begun
new = {name.partition(".")[0] for name in sys.modules} - before - set(sys.stdlib_module_names)
print(json.dumps([spent * 1000, sorted(new)]))
"""


def measure(modules: list[str], flag: str) -> tuple[float, list[str]]:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE, flag, *modules], capture_output=True, text=True, check=True
    )
    spent, new = json.loads(run.stdout.splitlines()[-1])
    return float(spent), new


def main() -> None:
    flags = {
        "--with-trigger-base": "airflow.triggers.base there already, as in every process that parses DAG files",
        "--bare": "nothing but airflow.sdk there",
    }
    for flag, meaning in flags.items():
        print(meaning)
        spent: dict[str, list[float]] = {name: [] for name in SUBJECTS}
        new: dict[str, list[str]] = {}
        for _ in range(ROUNDS):
            for name, modules in SUBJECTS.items():
                milliseconds, new[name] = measure(modules, flag)
                spent[name].append(milliseconds)
        for name, all_spent in spent.items():
            print(
                f"  {name:12} {statistics.median(all_spent):6.2f} ms CPU (median of {ROUNDS}, "
                f"{min(all_spent):.2f} to {max(all_spent):.2f}), new packages: {', '.join(new[name])}"
            )


if __name__ == "__main__":
    main()
