"""Runs a chaos test of checkpoints and attempts on a real service."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import psutil

from tests.chaos.checkpoints.audit import find_violations
from tests.chaos.checkpoints.script import Batch, Kill, SystemKill, batches
from tests.chaos.checkpoints.steps import repeated_work
from tests.chaos.checkpoints.trainings import ChaosTraining, Trainer
from tests.chaos.service.reboot import pretend_reboot

logger = logging.getLogger(__name__)

END_TIMEOUT = 240.0
"""Seconds after the last event until a training must have ended, on a machine with high load."""


@dataclass
class CheckpointStorm:
    """Batches of rounds; each violation is logged and recorded."""

    trainer: Trainer
    rounds: int = 0
    attempts: int = 0
    events: Counter[str] = field(default_factory=Counter)
    repeated: list[float] = field(default_factory=list)
    """Seconds of work that each further attempt did again."""
    violations: list[str] = field(default_factory=list)

    def run(self, seed: int, rounds: int, at_once: int = 5) -> None:
        """Carry out *rounds* rounds of *seed*."""
        for batch in batches(seed, rounds, at_once):
            self._batch(batch)
            logger.info(self.summary())

    def summary(self) -> str:
        """Return what happened."""
        events = ", ".join(f"{name}: {times}" for name, times in sorted(self.events.items()))
        repeated = f"{median(self.repeated or [0.0]):.1f} s, {max(self.repeated, default=0.0):.1f} s at most"
        lines = [
            f"{self.rounds} rounds, {self.attempts} attempts; repeated work: {repeated}; {events}",
            f"violations: {len(self.violations)}",
            *self.violations,
        ]
        return "\n".join(lines)

    def _batch(self, batch: Batch) -> None:
        trainings = [self.trainer.submit(one) for one in batch.rounds]
        begun = time.monotonic()
        timeline: list[tuple[float, Callable[[], None]]] = [
            (at, _bind(self._disturb_all, trainings, event)) for at, event in batch.system_events
        ]
        for one in trainings:
            timeline += [(at, _bind(self._disturb, one, event)) for at, event in one.round.events]
        for at, carry_out in sorted(timeline, key=lambda entry: entry[0]):
            time.sleep(max(0.0, begun + at - time.monotonic()))
            carry_out()
        for one in trainings:
            self._check(one)

    def _check(self, training: ChaosTraining) -> None:
        entity = self.trainer.end(training, END_TIMEOUT)
        found = list(find_violations(self.trainer, training, entity))
        self.repeated += [one.seconds for one in repeated_work(training.steps(), training.kills)]
        self.rounds += 1
        self.attempts += entity["status"].get("attempt", 1)
        label = f"round {training.round.number} ({training.round.style}, {training.id})"
        events = ", ".join(training.done) or "no event"
        logger.info("%s: %s; attempts: %s", label, events, entity["status"].get("attempt"))
        self.violations += [f"{label}, {events}: {one}" for one in found]
        for one in found:
            logger.error("%s: %s\n%s", label, one, training.log()[-3000:])

    def _disturb(self, training: ChaosTraining, event: Kill) -> None:
        learner = training.learner()
        command = [
            one for one in self.trainer.service.processes_of(training.id) if learner is None or one.pid != learner.pid
        ]
        victims: dict[Kill, list[psutil.Process]] = {
            Kill.LEARNER: [learner] if learner else [],
            Kill.COMMAND: command,
            Kill.BOTH: [*([learner] if learner else []), *command],
            Kill.SHUTDOWN: [learner] if learner else [],
        }
        self._kill(training, event.value, victims[event], graceful=event is Kill.SHUTDOWN)

    def _kill(
        self, training: ChaosTraining, what: str, victims: list[psutil.Process], *, graceful: bool = False
    ) -> None:
        if not victims:
            return
        training.events += 1
        if not graceful:
            training.kills.append(time.time())
        training.done.append(f"{what} after {time.time() - victims[0].create_time():.1f} s")
        self.events[what] += 1
        for one in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGTERM if graceful else signal.SIGKILL)

    def _disturb_all(self, trainings: list[ChaosTraining], event: SystemKill) -> None:
        self.events[event.value] += 1
        for one in trainings:
            one.done.append(event.value)
        service = self.trainer.service
        match event:
            case SystemKill.SERVICE:
                service.kill()
            case SystemKill.RESTART:
                assert service.stop() == 0
            case SystemKill.MACHINE:
                service.kill()
                for one in trainings:
                    self._kill(one, "(its processes)", service.processes_of(one.id))
                    pretend_reboot(service.home, one.id)
        service.start()


def _bind(function: Callable[..., None], *arguments: object) -> Callable[[], None]:
    return lambda: function(*arguments)
