"""Random rounds, chosen by a seed: requests of users and failures of processes in any order."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable

import psutil

from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from tests.chaos.service.audit import find_violations
from tests.chaos.service.customer import Customer, Submission
from tests.chaos.service.forked_service import JOB_DIRECTORY_WRITES, RUNNER_WRITES, STORE_WRITES
from tests.chaos.service.kill_points import AFTER, BEFORE, WITHIN, Point

log = logging.getLogger(__name__)

MAX_UNFINISHED = 8
"""The maximum number of unfinished trainings: more of them would only wait for free slots."""

POINTS = [
    *(Point(f"store.{method}", when) for method in STORE_WRITES for when in (BEFORE, WITHIN, AFTER)),
    *(Point(f"runner.{method}", when) for method in RUNNER_WRITES for when in (BEFORE, AFTER)),
    *(Point(f"job_directories.{method}", when) for method in JOB_DIRECTORY_WRITES for when in (BEFORE, AFTER)),
]


class Chaos:
    """
    Rounds on one service. The same *seed* gives the same rounds, except for differences in timing.

    After each round, all responses are compared with the state of the service; `violations` lists the differences.

    :param logger: receives each round at INFO.
    """

    def __init__(self, customer: Customer, seed: int, logger: logging.Logger = log) -> None:
        self.customer, self.service, self.logger = customer, customer.service, logger
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.violations: list[str] = []
        self._actions: list[tuple[int, Callable[[], str]]] = [
            (8, self.submit),
            (3, self.repeat),
            (2, self.misuse),
            (3, self.cancel),
            (2, self.delete),
            (3, self.kill_service),
            (4, self.set_kill_point),
            (2, self.kill_learner),
            (1, self.kill_both),
            (1, self.freeze_service),
            (3, self.wait),
        ]

    def run(self, rounds: int) -> None:
        """Run *rounds* rounds, then wait until all trainings have ended."""
        weights, actions = zip(*self._actions, strict=True)
        for number in range(1, rounds + 1):
            [action] = self.random.choices(actions, weights)
            result = action()
            self.done[action.__name__] += 1
            self._restart_if_killed()
            self._check_invariants(f"round {number}: {result}")
            self.logger.info("%4d %s", number, result)
        self.service.kill_plan.clear()
        self._restart_if_killed()
        for submission in self.customer.submissions:
            if submission.cancel_requested or not submission.deleted:
                self._wait_for_end(submission)
        self._check_invariants("at the end")

    def summary(self) -> str:
        """Return the numbers of actions, kills and final states, and all violations."""
        states = Counter(self._state(submission) for submission in self.customer.submissions)
        lines = [
            "actions: " + ", ".join(f"{name} {times}" for name, times in sorted(self.done.items())),
            f"kills of the service: {self.service.kills}",
            f"trainings: {len(self.customer.submissions)} ("
            + ", ".join(f"{state} {times}" for state, times in states.items())
            + ")",
            f"violated invariants: {len(self.violations)}",
            *self.violations,
        ]
        return "\n".join(lines)

    # -- requests of users ---------------------------------------------------

    def submit(self) -> str:
        if len(self._unfinished()) >= MAX_UNFINISHED:
            return self.cancel()
        kind, size = self.random.randrange(5), self.random.choice(["small", "small", "medium", "large"])
        match kind:
            case 0 | 1:
                submission = self.customer.submit(size=size)
            case 2:
                code = self.random.randrange(1, 100)
                submission = self.customer.submit(f"exit {code}", end_states=("error",), exit_code=code, size=size)
            case 3:
                submission = self.customer.submit(f"sleep {self.random.random() * 2:.1f}", size=size)
            case _:
                # Ignores TERM and leaves a daemon; ends only when it is canceled or lost.
                stubborn = "trap '' TERM; (setsid sleep 600 &) ; sleep 600"
                submission = self.customer.submit(stubborn, end_states=(), exit_code=None, size=size)
        return f"submitted {submission.id} ({submission.key})"

    def repeat(self) -> str:
        if (submission := self._pick(lambda one: not one.deleted)) is None:
            return self.submit()
        return f"repeated {self.customer.repeat(submission).id}"

    def misuse(self) -> str:
        if (submission := self._pick(lambda one: not one.deleted)) is None:
            return self.submit()
        self.customer.misuse(submission)
        return f"misused the key of {submission.id}"

    def cancel(self) -> str:
        if (submission := self._pick(lambda one: not one.deleted and not one.cancel_requested)) is None:
            return self.submit()
        if self._state(submission) not in {"pending", "running"}:
            return self.delete()
        self.customer.cancel(submission)
        return f"canceled {submission.id}"

    def delete(self) -> str:
        ended = self._pick(lambda one: not one.deleted and self._state(one) not in {"pending", "running"})
        if ended is None:
            return self.wait()
        self.customer.delete(ended)
        return f"deleted {ended.id}"

    # -- failures of processes -----------------------------------------------

    def kill_service(self) -> str:
        self.service.kill()
        time.sleep(self.random.random() * 0.5)
        self.service.start()
        return "killed the service"

    def set_kill_point(self) -> str:
        point = self.random.choice(POINTS)
        self.service.kill_plan.choose(point)
        return f"set the kill point {point}"

    def kill_learner(self) -> str:
        submission = self._pick(lambda one: not one.deleted and self._state(one) in {"pending", "running"})
        owner = submission and read_job_file(
            JobDirectory(self.service.home / "jobs" / str(submission.id)).run, ProcessIdentity
        )
        for one in self.service.processes_of(str(submission.id)) if submission and owner else ():
            if owner and one.pid == owner.pid:
                assert submission is not None
                submission.end_states = (*submission.end_states, "error")
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
                return f"killed the learner of {submission.id}"
        return self.wait()

    def kill_both(self) -> str:
        self.service.kill()
        result = self.kill_learner_of_any()
        self.service.start()
        return f"killed the service, and {result}"

    def kill_learner_of_any(self) -> str:
        for submission in self.customer.submissions:
            for one in self.service.processes_of(str(submission.id)):
                if "tests.chaos.service.learner" in one.cmdline():
                    submission.end_states = (*submission.end_states, "error")
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()
                    return f"killed the learner of {submission.id}"
        return "no learner"

    def freeze_service(self) -> str:
        self.service.freeze(self.random.random())
        return "froze the service"

    def wait(self) -> str:
        seconds = self.random.random()
        time.sleep(seconds)
        return f"waited {seconds:.1f} s"

    # -- checks and state ---------------------------------------------------------

    def _restart_if_killed(self) -> None:
        if self.service.was_killed:
            self.service.wait_killed()
            self.service.start()

    def _check_invariants(self, when: str) -> None:
        self.violations += [f"{when}: {one}" for one in find_violations(self.customer)]

    def _wait_for_end(self, submission: Submission) -> None:
        if submission.deleted:
            return
        if not submission.end_states and not submission.cancel_requested:
            self.customer.cancel(submission)
        self.customer.end(submission)

    def _unfinished(self) -> list[Submission]:
        return [one for one in self.customer.submissions if self._state(one) in {"pending", "running"}]

    def _pick(self, fits: Callable[[Submission], bool]) -> Submission | None:
        fitting = [one for one in self.customer.submissions[-30:] if fits(one)]
        return self.random.choice(fitting) if fitting else None

    def _state(self, submission: Submission) -> str:
        return "deleted" if submission.deleted else str(self.customer.training(submission)["state"])
