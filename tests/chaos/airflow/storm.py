"""Carries a storm out, on a real Airflow and a real service."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.exceptions import DlaasError, HostError
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.chaos.airflow.audit import Aftermath, violations
from tests.chaos.airflow.script import Batch, Blow, Deed, Round, batches
from tests.system.stage import Run, Stage

CALM = 240.0
"""Seconds until all must be over once nothing befalls anybody any more."""

FROZEN = 9.0
"""Seconds that a triggerer stands still: longer than it may be before its triggers are given away."""


@dataclass
class Storm:
    """Batches of rounds; what was found is told, and kept."""

    stage: Stage
    service: ServiceProcess
    store: SwiftStore
    say: Callable[[str], None]
    rounds: int = 0
    trainings: int = 0
    befell: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def rage(self, seed: int, rounds: int, at_once: int = 6) -> None:
        """Let *rounds* rounds of *seed* happen."""
        for batch in batches(seed, rounds, at_once):
            self._batch(batch)
            self.say(f"{self.rounds} rounds, {self.trainings} trainings, {len(self.broken)} violations")

    def summary(self) -> str:
        """Tell what happened."""
        return (
            f"{self.rounds} rounds, {self.trainings} trainings ({_spelled(self.states)}); befell: "
            f"{_spelled(self.befell)}; violations: {len(self.broken)}" + "".join(f"\n- {one}" for one in self.broken)
        )

    def _batch(self, batch: Batch) -> None:
        runs = [(each, self.stage.begin(each.way, each.command), Counter[Deed]()) for each in batch.rounds]
        begun = time.monotonic()
        events: list[tuple[float, Callable[[], None]]] = [(at, _bound(self._blow, blow)) for at, blow in batch.blows]
        for each, run, done in runs:
            events += [(at, _bound(self._deed, run, deed, done)) for at, deed in each.deeds]
        for at, happen in sorted(events, key=lambda event: event[0]):
            time.sleep(max(0.0, begun + at - time.monotonic()))
            happen()
        self._wait_for_calm([run for _, run, _ in runs])
        for each, run, done in runs:
            self._look_back(each, run, done)

    def _deed(self, run: Run, deed: Deed, done: Counter[Deed]) -> None:
        try:
            match deed:
                case Deed.MARK_FAILED:
                    run.mark("failed")
                case Deed.MARK_SUCCESS:
                    run.mark("success")
                case Deed.CLEAR:
                    run.clear()
                case Deed.DELETE:
                    run.delete()
                case Deed.KILL_WORKER:
                    if not self.stage.kill_a_worker():
                        return
        except HostError as error:
            if "Database error" not in str(error):
                return  # refused: it has ended, or was deleted
            # Airflow's SQLite was locked, in the middle of it perhaps: it may have happened.
        done[deed] += 1
        self.befell[deed.value] += 1

    def _blow(self, blow: Blow) -> None:
        self.befell[blow.value] += 1
        match blow:
            case Blow.KILL_TRIGGERER:
                self.stage.kill("triggerer")
            case Blow.FREEZE_TRIGGERER:
                with self.stage.frozen("triggerer"):
                    time.sleep(FROZEN)
            case Blow.KILL_SCHEDULER:
                self.stage.airflow.components["scheduler"].kill_and_restart()
            case Blow.KILL_SERVICE:
                self.service.kill_and_restart()

    def _wait_for_calm(self, runs: list[Run]) -> None:
        """Wait until every run has ended, and every training; or long enough to know that it never will."""
        until = time.monotonic() + CALM
        while time.monotonic() < until:
            try:
                over = all(_state(run) in {None, "success", "failed"} for run in runs)
                if over and all(one.state.is_final for run in runs for one in run.trainings()):
                    return
            except DlaasError:
                pass  # the service is just coming up again
            for name in self.stage.raise_the_dead():
                self.befell[f"Airflow's {name} fell over by itself"] += 1
            time.sleep(0.5)
        for run in runs:
            if (state := _state(run)) not in {None, "success", "failed"}:
                self.broken.append(f"{run.run_id} is still {state}:\n{run.told()}")
                self.say(self.broken[-1])

    def _look_back(self, each: Round, run: Run, done: Counter[Deed]) -> None:
        self.rounds += 1
        state = _state(run)
        trainings = run.trainings()
        self.trainings += len(trainings)
        self.states.update(str(one.state) for one in trainings)
        after = Aftermath(
            round=each,
            trainings=trainings,
            done=done,
            state=state,
            result=run.xcom() if state is not None else None,
            stored=[name for one in trainings for name in self._stored(one.id)],
        )
        for found in violations(after):
            self.broken.append(f"{run.run_id} ({each}, {dict(done)}): {found}\n{run.told() if state else ''}")
            self.say(self.broken[-1])

    def _stored(self, training_id: str) -> Iterator[str]:
        return (one.name for one in self.store.list_objects("holds", prefix=f"{training_id}/"))


def _state(run: Run) -> str | None:
    try:
        return run.stage.airflow.api.run_state(run.dag_id, run.run_id)
    except HostError as error:
        if " 404 " in str(error):
            return None
        raise


def _bound(happen: Callable[..., None], *given: object) -> Callable[[], None]:
    return lambda: happen(*given)


def _spelled(counted: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(counted.items())) or "nothing"
