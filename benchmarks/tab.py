"""
The cost of an open page with trainings: for Airflow's API server, the training service and the browser.

    python benchmarks/tab.py [--rounds 3] [--seconds 30] [--points 50000] [--megabytes 100] [--rows 200]
                             [--ended 0] [--only server,much,rows]

A real Airflow, a real service and headless Chromium, as in the system tests. Rounds are interleaved: each measures all
cases once, and the medians are compared. CPU time is that of the API server's and the service's own processes after the
page has settled; trainings and the other components of Airflow run in every case. On a busy machine, trust the CPU
times rather than the elapsed times: "drawn", "first time" and the longest tasks.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
from playwright.sync_api import BrowserContext, CDPSession, Page

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY, RunKey, _digest, with_run_key
from tests.system.browser import TIMEOUT, launch_browser, logged_in
from tests.system.stage import Run, Stage, a_service, an_airflow, eventually, prepared

SETTLE_SECONDS = 4.0
"""Seconds from the first drawing of a page until the measurement begins."""

WATCH_SECONDS = 20.0
"""Seconds for which a page with a large training or many rows is measured."""

STEADY_COMMAND = """
i=0; while [ ! -e $CHECKPOINT_DIR/go ]; do i=$((i+1)); echo "Iter $i, loss= 0.$((RANDOM + 10000))"; sleep 0.5; done
"""
"""Prints a loss twice a second."""

LARGE_SCRIPT = """
import json, os, random, sys, time
points, megabytes = map(int, sys.argv[1:])
own = open(os.environ["LOG_DIR"] + "/evaluation-metrics.txt", "a", buffering=1 << 16)
def write_point(step):
    values = {"loss": round(100 / (step + 100) + random.random() / 10, 5), "accuracy": round(random.random(), 5)}
    print(json.dumps({"etimes": {"iteration": step}, "values": values}), file=own)
for step in range(1, points + 1):
    write_point(step)
    if step % 10_000 == 0:
        own.flush()
        time.sleep(1)  # the service reads only the end of more than 4 MiB in half a second
line = "worker %07d has read a shard of the training data from the cache and hands it on to the next stage\\n"
text = "".join(line % number for number in range(10_000))
for _ in range(megabytes * 1024**2 // len(text)):
    sys.stdout.write(text)
while not os.path.exists(os.environ["CHECKPOINT_DIR"] + "/go"):
    step += 1
    write_point(step)
    own.flush()
    print("worker %07d has written step %d" % (step, step), flush=True)
    time.sleep(0.5)
"""
"""Writes points and log lines as fast as it can, then two of each a second."""

DAG_SOURCE = """
from airflow.sdk import DAG, task
with DAG("many", catchup=False):
    @task(pool="there is none")
    def train(number): ...
    train.expand(number=list(range({rows})))
"""
"""A mapped task that never runs: the benchmark submits its trainings."""

PROBE_SCRIPT = """
if (window === top) {
  window.measured = { tasks: [], first: null };
  new PerformanceObserver((list) => measured.tasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({ type: "longtask", buffered: true });
}
const check = () => requestAnimationFrame(() => {
  if (document.querySelector(SELECTOR))
    requestAnimationFrame(() => {
      top.measured.first ??= performance.timeOrigin + performance.now() - top.performance.timeOrigin;
    });
  else check();
});
check();
"""
"""Records long tasks of the main thread, and when the element SELECTOR was first drawn."""

CHART = ".chart canvas"
AIRFLOW_LOG = '[data-testid^="virtualized-item"]'


@dataclass(frozen=True)
class PageCase:
    """A page, and the element whose drawing completes it; without a path, no page is open."""

    path: str = ""
    selector: str = CHART


@dataclass
class Measurements:
    """The measurements of one case, one number for each round."""

    first_drawn: list[float] = field(default_factory=list)
    """Milliseconds from the navigation until the element was drawn."""
    longest_task_loading: list[float] = field(default_factory=list)
    """Milliseconds of the longest task of the main thread until the page has settled; 0 where none took 50."""
    longest_task_later: list[float] = field(default_factory=list)
    """The same afterwards."""
    load_cpu: list[float] = field(default_factory=list)
    """CPU milliseconds of the main thread until then."""
    page_cpu: list[float] = field(default_factory=list)
    """CPU seconds a minute of the main thread afterwards."""
    heap_size: list[float] = field(default_factory=list)
    """MiB of JavaScript objects after loading."""
    heap_growth: list[float] = field(default_factory=list)
    """MiB of JavaScript objects added until the end."""
    api_server_cpu: list[float] = field(default_factory=list)
    """CPU seconds a minute of Airflow's API server."""
    service_cpu: list[float] = field(default_factory=list)
    """CPU seconds a minute of the service: without its object store and its trainings."""
    requests: list[float] = field(default_factory=list)
    """Requests a minute."""


class Benchmark:
    """Opens pages in a browser in which an administrator is logged in, and measures them."""

    def __init__(self, stage: Stage, service: ServiceProcess, context: BrowserContext) -> None:
        self.stage = stage
        self.service = service
        self._context = context
        self._api = stage.processes("api-server")
        below = psutil.Process(service._service_guard.pid if service._service_guard else 0).children()
        self._serve = [one for one in below if "serve" in one.cmdline()]

    def compare(
        self, title: str, cases: Mapping[str, PageCase], rounds: int, seconds: float
    ) -> dict[str, Measurements]:
        """Measure all *cases* in each of *rounds*; print and return the measurements."""
        figures = {name: Measurements() for name in cases}
        opened = {name: Measurements() for name in cases}
        for turn in range(-1, rounds):  # the first round warms up
            for name, case in cases.items():
                self._measure(case, (opened if turn < 0 else figures)[name], 1.0 if turn < 0 else seconds)
        load = psutil.getloadavg()[1] / (psutil.cpu_count() or 1)
        print(f"\n## {title}: medians of {rounds} interleaved rounds of {seconds:.0f} s (load {load:.1f} a core)")
        print_table(figures, opened)
        return figures

    def _measure(self, case: PageCase, figures: Measurements, seconds: float) -> None:
        page = self._context.new_page()
        session = self._context.new_cdp_session(page)
        session.send("Performance.enable")
        try:
            if case.path:
                page.add_init_script(PROBE_SCRIPT.replace("SELECTOR", repr(case.selector)))
                page.goto(self.stage.airflow.url + case.path, wait_until="commit")
                page.wait_for_function("measured.first !== null", timeout=TIMEOUT)
                figures.first_drawn.append(page.evaluate("measured.first"))
            page.wait_for_timeout(SETTLE_SECONDS * 1000)
            figures.load_cpu.append(_thread_time(session) * 1000)
            figures.longest_task_loading.append(_longest_task(page))
            figures.heap_size.append(_heap_megabytes(session))
            page.wait_for_timeout(500)
            page.evaluate("if (window.measured) measured.tasks = []")  # one was the garbage collection
            self._watch(page, session, figures, seconds)
            figures.longest_task_later.append(_longest_task(page))
            figures.heap_growth.append(_heap_megabytes(session) - figures.heap_size[-1])
        finally:
            page.close()

    def _watch(self, page: Page, session: CDPSession, figures: Measurements, seconds: float) -> None:
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        begun, busy, api, service = (
            time.monotonic(),
            _thread_time(session),
            _cpu_seconds(self._api),
            _cpu_seconds(self._serve),
        )
        page.wait_for_timeout(seconds * 1000)
        minutes = (time.monotonic() - begun) / 60
        figures.page_cpu.append((_thread_time(session) - busy) / minutes)
        figures.api_server_cpu.append((_cpu_seconds(self._api) - api) / minutes)
        figures.service_cpu.append((_cpu_seconds(self._serve) - service) / minutes)
        figures.requests.append(len(urls) / minutes)


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    times = [one.cpu_times() for one in processes]
    return sum(one.user + one.system for one in times)


def _longest_task(page: Page) -> float:
    return float(page.evaluate("Math.max(0, ...(window.measured?.tasks ?? []))"))


def _thread_time(session: CDPSession) -> float:
    """Return the CPU seconds of the main thread: more reliable than elapsed time on a busy machine."""
    found = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in found if one["name"] == "ThreadTime")


def _heap_megabytes(session: CDPSession) -> float:
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1024**2


def print_table(figures: Mapping[str, Measurements], opened: Mapping[str, Measurements]) -> None:
    """Print a line for each case."""
    heads = ("drawn", "first time", "loads", "works", "longest task", "later on", "heap", "grows", "requests")
    units = ("ms", "ms", "CPU ms", "CPU s/min", "ms", "ms", "MiB", "MiB", "/min")
    for line, last in ((heads, ("API server", "service")), (units, ("CPU s/min", "CPU s/min"))):
        print(f"{'':28}" + "".join(f"{one:>13}" for one in line) + "".join(f"{one:>21}" for one in last))
    for name, one in figures.items():
        values = (
            one.first_drawn,
            opened[name].first_drawn,
            one.load_cpu,
            one.page_cpu,
            one.longest_task_loading,
            one.longest_task_later,
            one.heap_size,
            one.heap_growth,
        )
        print(f"{name:28}" + "".join(f"{_median(each):>13}" for each in (*values, one.requests)), end="")
        print(
            "".join(
                f"{f'{_median(each)} ({min(each):.2f}-{max(each):.2f})':>21}"
                for each in (one.api_server_cpu, one.service_cpu)
            )
        )


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.{0 if max(values) >= 100 else 2}f}" if values else "–"


def print_added_work(figures: Mapping[str, Measurements], ours: str, theirs: str, none: str) -> None:
    """Print the CPU time that *ours* adds to that of *theirs*, and *theirs* to that of *none*."""
    rest, airflow, whole = (statistics.median(figures[name].api_server_cpu) for name in (none, theirs, ours))
    print(
        f"{ours}: {whole - airflow:.2f} CPU s a minute of the API server more than {theirs}, which takes "
        f"{airflow - rest:.2f} more than {none}: {(whole - airflow) / max(airflow - rest, 0.01):.2f} times that"
    )


def print_ratios(figures: Mapping[str, Measurements], ours: str, theirs: str) -> None:
    """Print how the first of two cases compares with the second."""
    one, other = figures[ours], figures[theirs]
    pairs = ((one.first_drawn, other.first_drawn), (one.load_cpu, other.load_cpu), (one.page_cpu, other.page_cpu))
    drawn, loads, works = (statistics.median(each) / max(statistics.median(base), 0.001) for each, base in pairs)
    print(f"{ours}, beside {theirs}: drawn after {drawn:.2f}, loads with {loads:.2f}, works {works:.2f} times as much")


def start_training(stage: Stage, command: str) -> Run:
    """Start a training in Airflow, and wait until it has metrics."""
    run = stage.begin("hold_deferred", command)
    eventually(lambda: any(one.status.metrics for one in run.trainings()) or None, run.describe, within=300)
    return run


def page_paths(run: Run) -> tuple[str, str, str]:
    """Return the paths of a task's page in Airflow, of its Training tab, and of the page in that tab."""
    own = f"/dags/{run.dag_id}/runs/{quote(run.run_id)}/tasks/train"
    query = urlencode({"dag_id": run.dag_id, "run_id": run.run_id, "task_id": "train", "map_index": -1})
    return own, f"{own}/plugin/dlaas-training", f"/dlaas/task?{query}"


def measure_servers(bench: Benchmark, small: Run, rounds: int, seconds: float) -> None:
    own, tab, alone = page_paths(small)
    cases = {
        "no page": PageCase(),
        "Airflow's task page": PageCase(own, AIRFLOW_LOG),
        "the Training tab in it": PageCase(tab),
        "the tab's page by itself": PageCase(alone),
    }
    figures = bench.compare("One page open on a training with 2 losses a second", cases, rounds, seconds)
    print_added_work(figures, "the Training tab in it", "Airflow's task page", "no page")


def measure_large_training(bench: Benchmark, small: Run, rounds: int, points: int, megabytes: int) -> None:
    large = start_training(bench.stage, f"python3 -c {shlex.quote(f'exec({LARGE_SCRIPT!r})')} {points} {megabytes}")
    (training,) = large.trainings()

    def has_all_points() -> bool | None:
        last = bench.stage.client.send(calls.get_training(training.id)).status.metrics
        return (last[0].iteration or 0) > points or None

    eventually(has_all_points, large.describe, within=300)
    own, tab, alone = page_paths(large)
    cases = {
        "large training": PageCase(alone),
        "large training, in Airflow": PageCase(tab),
        "small training": PageCase(page_paths(small)[2]),
        "Airflow's task page": PageCase(own, AIRFLOW_LOG),
    }
    figures = bench.compare(f"2 series of {points:,} points, a log of {megabytes} MiB", cases, rounds, WATCH_SECONDS)
    print_ratios(figures, "large training", "small training")
    print_ratios(figures, "large training, in Airflow", "Airflow's task page")
    large.release(training)


def submit_as_task(bench: Benchmark, run_id: str, number: int, then: str) -> str:
    """Submit a training with the tag and the XCom of the task with map index *number*; return its id."""
    stage, known = bench.stage, bench.service.connections()["swift_default"]
    command = f': --learningRate {number + 1}e-3; for i in 1 2 3; do echo "Iter $i, loss= 0.$RANDOM"; done; {then}'
    connection = {"auth_url": known["host"], "userId": known["login"], "password": known["password"]}
    definition = TrainingDefinition.parse(
        {
            "model_definition": {
                "name": "many",
                "definition_location": stage.location,
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {"command": command, "resourceType": "small"},
            },
            "training_data": [
                {"connection": connection, "source": {"container": "holds", "type": "softlayer_objectstore"}}
            ],
        }
    )
    task = _digest(stage.airflow.url, "many", run_id, "train", str(number))[:32]
    training = stage.client.send(calls.create_training(with_run_key(definition, RunKey(task, "0" * 12))))
    entry = {"key": TRAINING_XCOM_KEY, "value": {"connection": "dlaas_default", "id": training.id}, "map_index": number}
    stage.airflow.api._request("POST", f"/dags/many/dagRuns/{run_id}/taskInstances/train/xcomEntries", entry)
    return training.id


def measure_rows(bench: Benchmark, count: int, ended: int, rounds: int) -> None:
    stage, begun = bench.stage, time.monotonic()
    (stage.airflow.dags / "many.py").write_text(DAG_SOURCE.format(rows=count))
    run = stage.begin("many")
    entries = f"/dags/many/dagRuns/{run.run_id}/taskInstances?limit=1"
    eventually(lambda: stage.airflow.api._request("GET", entries)["total_entries"] >= count or None, within=300)
    ids = [
        submit_as_task(bench, run.run_id, number, "" if number < ended else STEADY_COMMAND) for number in range(count)
    ]
    requests = [calls.get_training(one) for one in ids]
    eventually(lambda: all(stage.client.send(one).state.is_final for one in requests[:ended]) or None, within=600)
    eventually(lambda: stage.client.send(requests[ended]).status.metrics or None, within=300)
    print(f"\n{count} real trainings, as if of tasks that never ran, made in {time.monotonic() - begun:.0f} s")
    own = f"/dags/many/runs/{quote(run.run_id)}"
    query = urlencode({"dag_id": "many", "run_id": run.run_id})
    row = f"tbody tr:nth-child({count})"
    cases = {
        "no page": PageCase(),
        "Airflow's page of the run": PageCase(own, "tbody tr"),
        "the Trainings tab in it": PageCase(f"{own}/plugin/dlaas-run", row),
        "the tab's page by itself": PageCase(f"/dlaas/run?{query}", row),
        "the Training tab of one": PageCase(f"/dlaas/task?{query}&task_id=train&map_index={ended}"),
        "Trainings, all runs": PageCase("/dlaas/trainings", f"tbody tr:nth-child({min(count, 200)})"),
    }
    figures = bench.compare(
        f"{count} trainings in a run, {ended} have ended, the others run or wait for 16 GPUs",
        cases,
        rounds,
        WATCH_SECONDS,
    )
    print_added_work(figures, "the Trainings tab in it", "Airflow's page of the run", "no page")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--ended", type=int, default=0, help="of the rows; each takes a second or two to make")
    parser.add_argument("--only", default="server,much,rows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            a_service(folder / "service") as service,
            an_airflow(folder / "airflow", service) as airflow,
            prepared(airflow, service, folder) as stage,
            launch_browser() as browser,
            logged_in(browser, airflow, "admin", folder, bypass_csp=True) as window,
        ):
            bench = Benchmark(stage, service, window.context)
            window.page.goto("about:blank")  # an open page would go on sending requests
            if "server" in options.only or "much" in options.only:
                small = start_training(stage, STEADY_COMMAND)
                if "server" in options.only:
                    measure_servers(bench, small, options.rounds, options.seconds)
                if "much" in options.only:
                    measure_large_training(bench, small, options.rounds, options.points, options.megabytes)
                small.release(small.trainings()[0])
            if "rows" in options.only:
                measure_rows(bench, options.rows, min(options.ended, options.rows - 1), options.rounds)


if __name__ == "__main__":
    main()
