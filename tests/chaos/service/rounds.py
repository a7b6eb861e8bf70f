"""Rounds of chaos, chosen by a seed: what customers do and what happens to machines, in any order."""

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

OPEN_AT_MOST = 8
"""Unfinished trainings: more only wait for each other."""

POINTS = [
    *(Point(f"store.{verb}", when) for verb in STORE for when in (BEFORE, WITHIN, AFTER)),
    *(Point(f"runner.{verb}", when) for verb in RUNNER for when in (BEFORE, AFTER)),
    *(Point(f"job_directories.{verb}", when) for verb in JOB_DIRECTORIES for when in (BEFORE, AFTER)),
]


class Chaos:
    """
    Rounds on one service, the same for the same *seed* as far as the machine's timing lets them be.

    After each round everything that was answered is held against what the server has; `broken` lists what was not kept.
    """

    def __init__(self, customer: Customer, seed: int, say: Callable[[str], None] = lambda _line: None) -> None:
        self.customer, self.service, self.say = customer, customer.service, say
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
        """Do *rounds* rounds, then wait for every end."""
        weights, actions = zip(*self._actions, strict=True)
        for number in range(1, rounds + 1):
            [action] = self.chance.choices(actions, weights)
            told = action()
            self.done[action.__name__] += 1
            self._revive()
            self._hold_to_account(f"round {number}: {told}")
            self.say(f"{number:4} {told}")
        self.service.fuse.disarm()
        self._revive()
        for promise in self.customer.promises:
            if promise.cancel_asked or not promise.deleted:
                self._end(promise)
        self._hold_to_account("at the end")

    def summary(self) -> str:
        """Say what was done, and what of it was not kept."""
        ends = Counter(self._state(promise) for promise in self.customer.promises)
        lines = [
            "actions: " + ", ".join(f"{name} {times}" for name, times in sorted(self.done.items())),
            f"deaths of the service: {self.service.deaths}",
            f"runs: {len(self.customer.promises)} (" + ", ".join(f"{end} {times}" for end, times in ends.items()) + ")",
            f"violated invariants: {len(self.broken)}",
            *self.broken,
        ]
        return "\n".join(lines)

    # -- what customers do ---------------------------------------------------

    def submit(self) -> str:
        if len(self._open()) >= OPEN_AT_MOST:
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
                # Ignores TERM and leaves a daemon behind; ends only when it is canceled, or lost.
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

    # -- what happens to machines --------------------------------------------

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
        told = self.kill_learner_of_any()
        self.service.start()
        return f"killed the service, and {told}"

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

    def _hold_to_account(self, when: str) -> None:
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
