"""Runs a chaos test, a storm of events, on a real Airflow and a real service."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.exceptions import DlaasError, HostError
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.chaos.airflow.audit import RunResult, find_violations
from tests.chaos.airflow.script import Batch, Round, RunEvent, SystemEvent, batches
from tests.system.stage import Run, Stage

logger = logging.getLogger(__name__)

SETTLE_TIMEOUT = 240.0
"""Seconds after the last event until everything must have ended."""

SUSPENSION = 9.0
"""Seconds for which a triggerer is suspended: longer than the timeout after which its triggers are reassigned."""


@dataclass
class Storm:
    """Batches of rounds; each violation is logged and recorded."""

    stage: Stage
    service: ServiceProcess
    store: SwiftStore
    rounds: int = 0
    trainings: int = 0
    events: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def run(self, seed: int, rounds: int, at_once: int = 6) -> None:
        """Carry out *rounds* rounds of *seed*."""
        for batch in batches(seed, rounds, at_once):
            self._batch(batch)
            logger.info("%d rounds, %d trainings, %d violations", self.rounds, self.trainings, len(self.violations))

    def summary(self) -> str:
        """Return what happened."""
        return (
            f"{self.rounds} rounds, {self.trainings} trainings ({_format_counts(self.states)}); events: "
            f"{_format_counts(self.events)}; violations: {len(self.violations)}"
            + "".join(f"\n- {one}" for one in self.violations)
        )

    def _batch(self, batch: Batch) -> None:
        runs = [(each, self.stage.begin(each.dag_id, each.command), Counter[RunEvent]()) for each in batch.rounds]
        begun = time.monotonic()
        timeline: list[tuple[float, Callable[[], None]]] = [
            (at, _bind(self._apply_system_event, event)) for at, event in batch.system_events
        ]
        for each, run, done in runs:
            timeline += [(at, _bind(self._apply_run_event, run, event, done)) for at, event in each.events]
        for at, carry_out in sorted(timeline, key=lambda entry: entry[0]):
            time.sleep(max(0.0, begun + at - time.monotonic()))
            carry_out()
        self._wait_until_settled([run for _, run, _ in runs])
        for each, run, done in runs:
            self._check_run(each, run, done)

    def _apply_run_event(self, run: Run, event: RunEvent, done: Counter[RunEvent]) -> None:
        try:
            match event:
                case RunEvent.MARK_FAILED:
                    run.mark("failed")
                case RunEvent.MARK_SUCCESS:
                    run.mark("success")
                case RunEvent.CLEAR:
                    run.clear()
                case RunEvent.DELETE:
                    run.delete()
                case RunEvent.KILL_WORKER:
                    if not self.stage.kill_a_worker():
                        return
        except HostError as error:
            if "Database error" not in str(error):
                return  # refused: the run has ended or was deleted
            # Airflow's SQLite was locked, perhaps during the request: the event may have happened.
        done[event] += 1
        self.events[event.value] += 1

    def _apply_system_event(self, event: SystemEvent) -> None:
        self.events[event.value] += 1
        match event:
            case SystemEvent.KILL_TRIGGERER:
                self.stage.kill("triggerer")
            case SystemEvent.FREEZE_TRIGGERER:
                with self.stage.frozen("triggerer"):
                    time.sleep(SUSPENSION)
            case SystemEvent.KILL_SCHEDULER:
                self.stage.airflow.components["scheduler"].kill_and_restart()
            case SystemEvent.KILL_SERVICE:
                self.service.kill_and_restart()

    def _wait_until_settled(self, runs: list[Run]) -> None:
        """Wait until all runs and trainings have ended; record those that have not ended in time."""
        until = time.monotonic() + SETTLE_TIMEOUT
        while time.monotonic() < until:
            try:
                over = all(_state(run) in {None, "success", "failed"} for run in runs)
                if over and all(one.state.is_final for run in runs for one in run.trainings()):
                    return
            except DlaasError:
                pass  # the service is starting
            for name in self.stage.restart_ended_components():
                self.events[f"Airflow's {name} ended by itself"] += 1
            time.sleep(0.5)
        for run in runs:
            if (state := _state(run)) not in {None, "success", "failed"}:
                self.violations.append(f"{run.run_id} is still {state}:\n{run.describe()}")
                logger.error("%s", self.violations[-1])

    def _check_run(self, each: Round, run: Run, done: Counter[RunEvent]) -> None:
        self.rounds += 1
        state = _state(run)
        trainings = run.trainings()
        self.trainings += len(trainings)
        self.states.update(str(one.state) for one in trainings)
        after = RunResult(
            round=each,
            trainings=trainings,
            done=done,
            state=state,
            result=run.xcom() if state is not None else None,
            stored=[name for one in trainings for name in self._stored(one.id)],
        )
        for found in find_violations(after):
            self.violations.append(f"{run.run_id} ({each}, {dict(done)}): {found}\n{run.describe() if state else ''}")
            logger.error("%s", self.violations[-1])

    def _stored(self, training_id: str) -> Iterator[str]:
        return (one.name for one in self.store.list_objects("holds", prefix=f"{training_id}/"))


def _state(run: Run) -> str | None:
    try:
        return run.stage.airflow.api.run_state(run.dag_id, run.run_id)
    except HostError as error:
        if " 404 " in str(error):
            return None
        raise


def _bind(happen: Callable[..., None], *given: object) -> Callable[[], None]:
    return lambda: happen(*given)


def _format_counts(counted: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(counted.items())) or "nothing"
