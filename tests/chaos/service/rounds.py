"""Rounds of chaos, selected by a seed: actions of users and failures of machines, in any order."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable

import psutil

from airflow_dlaas.service.job_files import JobDirectory, ProcessIdentity, read_job_file
from tests.chaos.service.audit import violations
from tests.chaos.service.customer import Customer, Promise
from tests.chaos.service.faults import AFTER, BEFORE, WITHIN, Point
from tests.chaos.service.victim import JOB_DIRECTORIES, RUNNER, STORE

MAX_UNFINISHED = 8
"""Unfinished trainings: further ones would only wait."""

POINTS = [
    *(Point(f"store.{method}", when) for method in STORE for when in (BEFORE, WITHIN, AFTER)),
    *(Point(f"runner.{method}", when) for method in RUNNER for when in (BEFORE, AFTER)),
    *(Point(f"jobs.{method}", when) for method in JOB_DIRECTORIES for when in (BEFORE, AFTER)),
]


class Chaos:
    """
    Runs rounds on one service. The same *seed* gives the same rounds, except for the timing of the machine.

    After each round, every response is compared with the state of the server; `broken` lists violations. *on_round*
    receives a line about each round.
    """

    def __init__(self, customer: Customer, seed: int, on_round: Callable[[str], None] = lambda _line: None) -> None:
        self.customer, self.service, self.on_round = customer, customer.service, on_round
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.broken: list[str] = []
        self._actions: list[tuple[int, Callable[[], str]]] = [
            (8, self.submit),
            (3, self.repeat),
            (2, self.misuse),
            (3, self.cancel),
            (2, self.delete),
            (3, self.kill_service),
            (4, self.arm),
            (2, self.kill_learner),
            (1, self.kill_both),
            (1, self.freeze_service),
            (3, self.wait),
        ]

    def run(self, rounds: int) -> None:
        """Run *rounds* rounds, then wait until every training has ended."""
        weights, actions = zip(*self._actions, strict=True)
        for number in range(1, rounds + 1):
            [action] = self.chance.choices(actions, weights)
            description = action()
            self.done[action.__name__] += 1
            self._revive()
            self._audit(f"round {number}: {description}")
            self.on_round(f"{number:4} {description}")
        self.service.fuse.disarm()
        self._revive()
        for promise in self.customer.promises:
            if promise.cancel_asked or not promise.deleted:
                self._end(promise)
        self._audit("at the end")

    def summary(self) -> str:
        """Return the numbers of actions and outcomes, and the violations."""
        ends = Counter(self._state(promise) for promise in self.customer.promises)
        lines = [
            "actions: " + ", ".join(f"{name} {times}" for name, times in sorted(self.done.items())),
            f"deaths of the service: {self.service.deaths}",
            f"runs: {len(self.customer.promises)} (" + ", ".join(f"{end} {times}" for end, times in ends.items()) + ")",
            f"violated invariants: {len(self.broken)}",
            *self.broken,
        ]
        return "\n".join(lines)

    # -- actions of users ----------------------------------------------------

    def submit(self) -> str:
        if len(self._open()) >= MAX_UNFINISHED:
            return self.cancel()
        kind, size = self.chance.randrange(5), self.chance.choice(["small", "small", "medium", "large"])
        match kind:
            case 0 | 1:
                promise = self.customer.submit(size=size)
            case 2:
                code = self.chance.randrange(1, 100)
                promise = self.customer.submit(f"exit {code}", ends=("error",), exit_code=code, size=size)
            case 3:
                promise = self.customer.submit(f"sleep {self.chance.random() * 2:.1f}", size=size)
            case _:
                # Ignores TERM and leaves a daemon; ends only if it is canceled or lost.
                stubborn = "trap '' TERM; (setsid sleep 600 &) ; sleep 600"
                promise = self.customer.submit(stubborn, ends=(), exit_code=None, size=size)
        return f"submitted {promise.id} ({promise.key})"

    def repeat(self) -> str:
        if (promise := self._pick(lambda one: not one.deleted)) is None:
            return self.submit()
        return f"repeated {self.customer.repeat(promise).id}"

    def misuse(self) -> str:
        if (promise := self._pick(lambda one: not one.deleted)) is None:
            return self.submit()
        self.customer.misuse(promise)
        return f"misused the key of {promise.id}"

    def cancel(self) -> str:
        if (promise := self._pick(lambda one: not one.deleted and not one.cancel_asked)) is None:
            return self.submit()
        if self._state(promise) not in {"pending", "running"}:
            return self.delete()
        self.customer.cancel(promise)
        return f"canceled {promise.id}"

    def delete(self) -> str:
        ended = self._pick(lambda one: not one.deleted and self._state(one) not in {"pending", "running"})
        if ended is None:
            return self.wait()
        self.customer.delete(ended)
        return f"deleted {ended.id}"

    # -- failures of machines ------------------------------------------------

    def kill_service(self) -> str:
        self.service.kill()
        time.sleep(self.chance.random() * 0.5)
        self.service.start()
        return "killed the service"

    def arm(self) -> str:
        point = self.chance.choice(POINTS)
        self.service.fuse.arm(point)
        return f"armed {point}"

    def kill_learner(self) -> str:
        promise = self._pick(lambda one: not one.deleted and self._state(one) in {"pending", "running"})
        owner = promise and read_job_file(
            JobDirectory(self.service.home / "jobs" / str(promise.id)).run, ProcessIdentity
        )
        for one in self.service.workers(str(promise.id)) if promise and owner else ():
            if owner and one.pid == owner.pid:
                assert promise is not None
                promise.ends = (*promise.ends, "error")
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
                return f"killed the learner of {promise.id}"
        return self.wait()

    def kill_both(self) -> str:
        self.service.kill()
        description = self.kill_learner_of_any()
        self.service.start()
        return f"killed the service, and {description}"

    def kill_learner_of_any(self) -> str:
        for promise in self.customer.promises:
            for one in self.service.workers(str(promise.id)):
                if "tests.chaos.service.learner" in one.cmdline():
                    promise.ends = (*promise.ends, "error")
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()
                    return f"killed the learner of {promise.id}"
        return "no learner"

    def freeze_service(self) -> str:
        self.service.freeze(self.chance.random())
        return "froze the service"

    def wait(self) -> str:
        seconds = self.chance.random()
        time.sleep(seconds)
        return f"waited {seconds:.1f} s"

    # -- bookkeeping ---------------------------------------------------------

    def _revive(self) -> None:
        if self.service.dead:
            self.service.bury()
            self.service.start()

    def _audit(self, when: str) -> None:
        self.broken += [f"{when}: {one}" for one in violations(self.customer)]

    def _end(self, promise: Promise) -> None:
        if promise.deleted:
            return
        if not promise.ends and not promise.cancel_asked:
            self.customer.cancel(promise)
        self.customer.end(promise)

    def _open(self) -> list[Promise]:
        return [one for one in self.customer.promises if self._state(one) in {"pending", "running"}]

    def _pick(self, fits: Callable[[Promise], bool]) -> Promise | None:
        fitting = [one for one in self.customer.promises[-30:] if fits(one)]
        return self.chance.choice(fitting) if fitting else None

    def _state(self, promise: Promise) -> str:
        return "deleted" if promise.deleted else str(self.customer.training(promise)["state"])
