"""
What looking at trainings costs: Airflow's API server, the training service, and the browser.

    python benchmarks/tab.py [--rounds 3] [--seconds 30] [--points 50000] [--megabytes 100] [--rows 200]
                             [--ended 0] [--only server,much,rows]

A real Airflow, a real service and headless Chromium, as in the system tests. Rounds are interleaved: each goes through
all cases once, and medians are compared. CPU time is that of the API server's and the service's own processes, once a
page has come to rest; trainings and the rest of Airflow run beside them in every case alike. On a machine that does a
lot else, believe CPU times, not the clock's: "drawn", "first time" and the longest tasks.
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
from tests.system.browser import PATIENCE, a_browser, looking
from tests.system.stage import Run, Stage, a_service, an_airflow, eventually, prepared

REST = 4.0
"""Seconds from what a page shows first until what it costs is measured."""

UPDATES = 20.0
"""Seconds for which a page with much on it is watched."""

STEADY = """
i=0; while [ ! -e $CHECKPOINT_DIR/go ]; do i=$((i+1)); echo "Iter $i, loss= 0.$((RANDOM + 10000))"; sleep 0.5; done
"""
"""Prints a loss twice a second."""

MUCH = """
import json, os, random, sys, time
points, megabytes = map(int, sys.argv[1:])
own = open(os.environ["LOG_DIR"] + "/evaluation-metrics.txt", "a", buffering=1 << 16)
def tell(step):
    values = {"loss": round(100 / (step + 100) + random.random() / 10, 5), "accuracy": round(random.random(), 5)}
    print(json.dumps({"etimes": {"iteration": step}, "values": values}), file=own)
for step in range(1, points + 1):
    tell(step)
    if step % 10_000 == 0:
        own.flush()
        time.sleep(1)  # of what comes faster than 4 MiB in half a second, the service reads the end only
line = "worker %07d has read a shard of the training data from the cache and hands it on to the next stage\\n"
text = "".join(line % number for number in range(10_000))
for _ in range(megabytes * 1024**2 // len(text)):
    sys.stdout.write(text)
while not os.path.exists(os.environ["CHECKPOINT_DIR"] + "/go"):
    step += 1
    tell(step)
    own.flush()
    print("worker %07d has told of step %d" % (step, step), flush=True)
    time.sleep(0.5)
"""
"""Tells points and fills a log as fast as it can, then goes on twice a second."""

DAG = """
from airflow.sdk import DAG, task
with DAG("many", catchup=False):
    @task(pool="there is none")
    def train(number): ...
    train.expand(number=list(range({rows})))
"""
"""Tasks that never run: their trainings are submitted by hand."""

PROBE = """
if (window === top) {
  window.seen = { tasks: [], first: null };
  new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({ type: "longtask", buffered: true });
}
const look = () => requestAnimationFrame(() => {
  if (document.querySelector(WANTED))
    requestAnimationFrame(() => {
      top.seen.first ??= performance.timeOrigin + performance.now() - top.performance.timeOrigin;
    });
  else look();
});
look();
"""
"""Notes long tasks of the main thread, and when what is WANTED had been drawn."""

CHART = ".chart canvas"
AIRFLOWS_LOG = '[data-testid^="virtualized-item"]'


@dataclass(frozen=True)
class Case:
    """A page, and what must be drawn of it before it counts as there; without an address, no page."""

    way: str = ""
    wanted: str = CHART


@dataclass
class Figures:
    """What was measured of one case, a number for each round."""

    first: list[float] = field(default_factory=list)
    """Milliseconds from the navigation until what is wanted had been drawn."""
    loading: list[float] = field(default_factory=list)
    """Milliseconds of the longest task of the main thread until the page has come to rest; 0 where none took 50."""
    updating: list[float] = field(default_factory=list)
    """The same afterwards."""
    work: list[float] = field(default_factory=list)
    """CPU milliseconds of the main thread until then."""
    busy: list[float] = field(default_factory=list)
    """CPU seconds a minute of the main thread afterwards."""
    heap: list[float] = field(default_factory=list)
    """MiB that JavaScript holds on to at first."""
    grown: list[float] = field(default_factory=list)
    """MiB more at the end."""
    api: list[float] = field(default_factory=list)
    """CPU seconds a minute of Airflow's API server."""
    service: list[float] = field(default_factory=list)
    """CPU seconds a minute of the service: without its object store and its trainings."""
    asked: list[float] = field(default_factory=list)
    """Requests a minute."""


class Bench:
    """Opens looks in a browser where an administrator is logged in, and measures."""

    def __init__(self, stage: Stage, service: ServiceProcess, context: BrowserContext) -> None:
        self.stage = stage
        self.service = service
        self._context = context
        self._api = stage.processes("api-server")
        below = psutil.Process(service._service_guard.pid if service._service_guard else 0).children()
        self._serve = [one for one in below if "serve" in one.cmdline()]

    def race(self, title: str, cases: Mapping[str, Case], rounds: int, seconds: float) -> dict[str, Figures]:
        """Go through all *cases* in turn, round by round; print and return what was measured."""
        figures = {name: Figures() for name in cases}
        opened = {name: Figures() for name in cases}
        for turn in range(-1, rounds):  # the first round only warms up
            for name, case in cases.items():
                self._measure(case, (opened if turn < 0 else figures)[name], 1.0 if turn < 0 else seconds)
        load = psutil.getloadavg()[1] / (psutil.cpu_count() or 1)
        print(f"\n## {title}: medians of {rounds} interleaved rounds of {seconds:.0f} s (load {load:.1f} a core)")
        table(figures, opened)
        return figures

    def _measure(self, case: Case, figures: Figures, seconds: float) -> None:
        page = self._context.new_page()
        session = self._context.new_cdp_session(page)
        session.send("Performance.enable")
        try:
            if case.way:
                page.add_init_script(PROBE.replace("WANTED", repr(case.wanted)))
                page.goto(self.stage.airflow.url + case.way, wait_until="commit")
                page.wait_for_function("seen.first !== null", timeout=PATIENCE)
                figures.first.append(page.evaluate("seen.first"))
            page.wait_for_timeout(REST * 1000)
            figures.work.append(_busy(session) * 1000)
            figures.loading.append(_longest(page))
            figures.heap.append(_heap(session))
            page.wait_for_timeout(500)
            page.evaluate("if (window.seen) seen.tasks = []")  # collecting garbage was one
            self._watch(page, session, figures, seconds)
            figures.updating.append(_longest(page))
            figures.grown.append(_heap(session) - figures.heap[-1])
        finally:
            page.close()

    def _watch(self, page: Page, session: CDPSession, figures: Figures, seconds: float) -> None:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        begun, busy, api, service = time.monotonic(), _busy(session), _cpu(self._api), _cpu(self._serve)
        page.wait_for_timeout(seconds * 1000)
        minutes = (time.monotonic() - begun) / 60
        figures.busy.append((_busy(session) - busy) / minutes)
        figures.api.append((_cpu(self._api) - api) / minutes)
        figures.service.append((_cpu(self._serve) - service) / minutes)
        figures.asked.append(len(asked) / minutes)


def _cpu(processes: Sequence[psutil.Process]) -> float:
    times = [one.cpu_times() for one in processes]
    return sum(one.user + one.system for one in times)


def _longest(page: Page) -> float:
    return float(page.evaluate("Math.max(0, ...(window.seen?.tasks ?? []))"))


def _busy(session: CDPSession) -> float:
    """CPU seconds of the main thread: on a machine that does a lot else, they say more than the clock does."""
    found = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in found if one["name"] == "ThreadTime")


def _heap(session: CDPSession) -> float:
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1024**2


def table(figures: Mapping[str, Figures], opened: Mapping[str, Figures]) -> None:
    """Print a line for each case."""
    heads = ("drawn", "first time", "loads", "works", "longest task", "later on", "heap", "grows", "asks")
    units = ("ms", "ms", "CPU ms", "CPU s/min", "ms", "ms", "MiB", "MiB", "/min")
    for line, last in ((heads, ("API server", "service")), (units, ("CPU s/min", "CPU s/min"))):
        print(f"{'':26}" + "".join(f"{one:>13}" for one in line) + "".join(f"{one:>21}" for one in last))
    for name, one in figures.items():
        told = (one.first, opened[name].first, one.work, one.busy, one.loading, one.updating, one.heap, one.grown)
        print(f"{name:26}" + "".join(f"{_median(each):>13}" for each in (*told, one.asked)), end="")
        print("".join(f"{f'{_median(each)} ({min(each):.2f}-{max(each):.2f})':>21}" for each in (one.api, one.service)))


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.{0 if max(values) >= 100 else 2}f}" if values else "–"


def more(figures: Mapping[str, Figures], ours: str, theirs: str, none: str) -> None:
    """Print what *ours* adds to the servers' work, beside what *theirs* adds to none."""
    rest, airflow, whole = (statistics.median(figures[name].api) for name in (none, theirs, ours))
    print(
        f"{ours}: {whole - airflow:.2f} CPU s a minute of the API server more than {theirs}, which takes "
        f"{airflow - rest:.2f} more than {none}: {(whole - airflow) / max(airflow - rest, 0.01):.2f} times that"
    )


def times(figures: Mapping[str, Figures], ours: str, theirs: str) -> None:
    """Print how the first of two cases compares with the second."""
    one, other = figures[ours], figures[theirs]
    pairs = ((one.first, other.first), (one.work, other.work), (one.busy, other.busy))
    drawn, loads, works = (statistics.median(each) / max(statistics.median(base), 0.001) for each, base in pairs)
    print(f"{ours}, beside {theirs}: drawn after {drawn:.2f}, loads with {loads:.2f}, works {works:.2f} times as much")


def began(stage: Stage, command: str) -> Run:
    """Begin a training in Airflow, and wait until it tells metrics."""
    run = stage.begin("hold_deferred", command)
    eventually(lambda: any(one.status.metrics for one in run.trainings()) or None, run.told, within=300)
    return run


def ways(run: Run) -> tuple[str, str, str]:
    """Give the addresses of a task's page in Airflow, of its Training tab, and of what is in that."""
    own = f"/dags/{run.dag_id}/runs/{quote(run.run_id)}/tasks/train"
    query = urlencode({"dag_id": run.dag_id, "run_id": run.run_id, "task_id": "train", "map_index": -1})
    return own, f"{own}/plugin/dlaas-training", f"/dlaas/task?{query}"


def server(bench: Bench, small: Run, rounds: int, seconds: float) -> None:
    own, tab, alone = ways(small)
    cases = {
        "no page": Case(),
        "Airflow's task page": Case(own, AIRFLOWS_LOG),
        "the Training tab in it": Case(tab),
        "the tab's page by itself": Case(alone),
    }
    figures = bench.race("One page open on a training with 2 losses a second", cases, rounds, seconds)
    more(figures, "the Training tab in it", "Airflow's task page", "no page")


def much(bench: Bench, small: Run, rounds: int, points: int, megabytes: int) -> None:
    large = began(bench.stage, f"python3 -c {shlex.quote(f'exec({MUCH!r})')} {points} {megabytes}")
    (training,) = large.trainings()

    def told() -> bool | None:
        last = bench.stage.client.send(calls.get_training(training.id)).status.metrics
        return (last[0].iteration or 0) > points or None

    eventually(told, large.told, within=300)
    own, tab, alone = ways(large)
    cases = {
        "much": Case(alone),
        "much, in Airflow": Case(tab),
        "little": Case(ways(small)[2]),
        "Airflow's task page": Case(own, AIRFLOWS_LOG),
    }
    figures = bench.race(f"2 series of {points:,} points, a log of {megabytes} MiB", cases, rounds, UPDATES)
    times(figures, "much", "little")
    times(figures, "much, in Airflow", "Airflow's task page")
    large.let_go(training)


def submit(bench: Bench, run_id: str, number: int, then: str) -> str:
    """Submit a training as if the task of that *number* had; its id."""
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
    mark = {"key": TRAINING_XCOM_KEY, "value": {"connection": "dlaas_default", "id": training.id}, "map_index": number}
    stage.airflow.api._request("POST", f"/dags/many/dagRuns/{run_id}/taskInstances/train/xcomEntries", mark)
    return training.id


def rows(bench: Bench, count: int, ended: int, rounds: int) -> None:
    stage, begun = bench.stage, time.monotonic()
    (stage.airflow.dags / "many.py").write_text(DAG.format(rows=count))
    run = stage.begin("many")
    entries = f"/dags/many/dagRuns/{run.run_id}/taskInstances?limit=1"
    eventually(lambda: stage.airflow.api._request("GET", entries)["total_entries"] >= count or None, within=300)
    ids = [submit(bench, run.run_id, number, "" if number < ended else STEADY) for number in range(count)]
    looks = [calls.get_training(one) for one in ids]
    eventually(lambda: all(stage.client.send(one).state.is_final for one in looks[:ended]) or None, within=600)
    eventually(lambda: stage.client.send(looks[ended]).status.metrics or None, within=300)
    print(f"\n{count} real trainings, as if of tasks that never ran, made in {time.monotonic() - begun:.0f} s")
    own = f"/dags/many/runs/{quote(run.run_id)}"
    query = urlencode({"dag_id": "many", "run_id": run.run_id})
    row = f"tbody tr:nth-child({count})"
    cases = {
        "no page": Case(),
        "Airflow's page of the run": Case(own, "tbody tr"),
        "the Trainings tab in it": Case(f"{own}/plugin/dlaas-run", row),
        "the tab's page by itself": Case(f"/dlaas/run?{query}", row),
        "the Training tab of one": Case(f"/dlaas/task?{query}&task_id=train&map_index={ended}"),
        "Trainings, all runs": Case("/dlaas/trainings", f"tbody tr:nth-child({min(count, 200)})"),
    }
    figures = bench.race(
        f"{count} trainings in a run, {ended} have ended, the others run or wait for 16 GPUs", cases, rounds, UPDATES
    )
    more(figures, "the Trainings tab in it", "Airflow's page of the run", "no page")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--ended", type=int, default=0, help="of the rows; each takes a second or two to come about")
    parser.add_argument("--only", default="server,much,rows")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            a_service(folder / "service") as service,
            an_airflow(folder / "airflow", service) as airflow,
            prepared(airflow, service, folder) as stage,
            a_browser() as browser,
            looking(browser, airflow, "admin", folder, bypass_csp=True) as look,
        ):
            bench = Bench(stage, service, look.context)
            look.page.goto("about:blank")  # what it has open asks on, else
            if "server" in asked.only or "much" in asked.only:
                small = began(stage, STEADY)
                if "server" in asked.only:
                    server(bench, small, asked.rounds, asked.seconds)
                if "much" in asked.only:
                    much(bench, small, asked.rounds, asked.points, asked.megabytes)
                small.let_go(small.trainings()[0])
            if "rows" in asked.only:
                rows(bench, asked.rows, min(asked.ended, asked.rows - 1), asked.rounds)


if __name__ == "__main__":
    main()
