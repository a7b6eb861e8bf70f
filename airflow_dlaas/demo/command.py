"""``airflow-dlaas demo``: what it asks of the machine first, how it ends, what it leaves."""

from __future__ import annotations

import fcntl
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

import airflow_dlaas
from airflow_dlaas.demo import ports
from airflow_dlaas.demo.demo_flow import RUNTIME, Outcome, Story, service_and_airflow
from airflow_dlaas.demo.display import Display, task_table
from airflow_dlaas.exceptions import DlaasError, HostError

NEEDED_GIB = 3
"""Room on the disk: the environment for TensorFlow (1.6 GiB), what is unpacked on the way there, data and database."""

INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM: 128 + SIGINT, as shells have it."""


class Interrupted(BaseException):
    """Somebody wants us to stop. No `Exception`, so that nothing on the way takes it for a failure."""


def demo(
    *,
    keep: bool = False,
    home: Path = Path(".demo"),
    airflow_port: int = 8080,
    port: int = 8480,
    objectstore_port: int = 8481,
) -> int:
    """
    Run the example DAG on a real Airflow against a service of our own, and show it; returns the exit code.

    Whatever happens, no process is left when it returns. *home* remains: the model, the logs and the environments are
    there, and the next demo finds the environments made.
    """
    console = Console(highlight=False)
    home = home.expanduser().resolve()
    wanted = {"--airflow-port": airflow_port, "--port": port, "--objectstore-port": objectstore_port}
    try:
        with _signals(), _alone(home):
            ports.require_free(wanted)
            _require_room(home)
            # Airflow begins anew each time: a run that was broken off would go on otherwise.
            shutil.rmtree(home / "airflow", ignore_errors=True)
            service, airflow = service_and_airflow(
                home,
                example_dags(),
                airflow_port=airflow_port,
                port=port,
                objectstore_port=objectstore_port,
            )
            story = Story(service, airflow, home / "workspace", display := Display(console))
            try:
                with display:
                    outcome = story.tell()
                _report(console, outcome, home)
                if keep:
                    _invite(console, story)
                return 0 if outcome.state == "success" else 1
            finally:
                with _undisturbed():
                    console.print("Stopping …", style="dim")
                    story.close()
    except Interrupted:
        console.print("Stopped. Nothing is left running.")
        return INTERRUPTED
    except DlaasError as error:
        console.print(escape(str(error)), style="red", soft_wrap=True)
        return 1


def example_dags() -> Path:
    """The folder of the example DAGs: inside an installed package, beside it in a checkout."""
    package = Path(airflow_dlaas.__file__).parent
    for folder in (package / "example_dags", package.parent / "example_dags"):
        if folder.is_dir():
            return folder
    raise HostError(f"The example DAGs are not in {package}; install airflow-dlaas anew")


def _report(console: Console, outcome: Outcome, home: Path) -> None:
    console.print()
    console.print(task_table(outcome.rows, title=f"nightly_retrain: {outcome.state}"))
    if outcome.failure:
        console.print(escape(outcome.failure), soft_wrap=True)
    if outcome.accuracy is not None:
        console.print(f"Accuracy on held-out digits  [bold green]{_number(outcome.accuracy)}[/]")
    if outcome.model is not None:
        console.print(
            f"Model                        {escape(str(outcome.model).removeprefix('file://'))}", soft_wrap=True
        )
    console.print(f"Logs and environments        {escape(str(home))}", soft_wrap=True)
    console.print(f"The run in Airflow's UI      {escape(outcome.url)} (while it is up: --keep)", soft_wrap=True)


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))


def _invite(console: Console, story: Story) -> None:
    """Leave everything up until somebody wants it stopped."""
    airflow, service = story.airflow, story.service
    console.print()
    console.print(f"Airflow   {airflow.url}   user {airflow.login}, password {airflow.password}", soft_wrap=True)
    console.print(
        f"Service   {service.connections()['dlaas_default']['host']}   credentials in {service.home}", soft_wrap=True
    )
    console.print("Ctrl-C stops both.")
    try:
        story.look_on()
    except Interrupted:
        return


def _require_room(home: Path) -> None:
    free = shutil.disk_usage(home).free / 2**30
    if free < NEEDED_GIB and not any((home / "service" / "environments").glob("*")):
        raise HostError(
            f"{home} has {free:.1f} GiB free, and the environment of {' '.join(RUNTIME)} needs {NEEDED_GIB} GiB: "
            "make room, or choose another folder with --home"
        )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep *home* for this demo; raises `HostError` when another one has it, or when there can be no such folder."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("w")
    except OSError as error:
        raise HostError(f"{home} can't be used ({error.strerror}): choose another folder with --home") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HostError(f"Another demo runs in {home}: stop it, or choose another folder with --home") from error
        yield


@contextmanager
def _signals() -> Iterator[None]:
    """Let Ctrl-C, a SIGTERM and a closed terminal raise `Interrupted` in here."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    before = {one: signal.signal(one, interrupt) for one in STOPPING}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hear no signal while cleaning up; who is in a hurry has kill -9, which leaves nothing running either."""
    before = {one: signal.signal(one, signal.SIG_IGN) for one in STOPPING}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
