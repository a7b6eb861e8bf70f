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
from airflow_dlaas.demo.demo_flow import RUNTIME, DemoFlow, DemoResult, create_processes
from airflow_dlaas.demo.display import Display, task_table
from airflow_dlaas.exceptions import DlaasError, HostError

MIN_FREE_GIB = 3
"""Room on the disk: the environment for TensorFlow (1.6 GiB), what is unpacked on the way there, data and database."""

INTERRUPTED_EXIT_CODE = 130
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
        with _interrupt_on_signals(), _exclusive_lock(home):
            ports.require_free_ports(wanted)
            _require_disk_space(home)
            # Airflow begins anew each time: a run that was broken off would go on otherwise.
            shutil.rmtree(home / "airflow", ignore_errors=True)
            service, airflow = create_processes(
                home,
                example_dags(),
                airflow_port=airflow_port,
                port=port,
                objectstore_port=objectstore_port,
            )
            story = DemoFlow(service, airflow, home / "workspace", display := Display(console))
            try:
                with display:
                    outcome = story.run()
                _print_result(console, outcome, home)
                if keep:
                    _wait_for_interrupt(console, story)
                return 0 if outcome.state == "success" else 1
            finally:
                with _ignore_signals():
                    console.print("Stopping …", style="dim")
                    story.close()
    except Interrupted:
        console.print("Stopped. Nothing is left running.")
        return INTERRUPTED_EXIT_CODE
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


def _print_result(console: Console, result: DemoResult, home: Path) -> None:
    console.print()
    console.print(task_table(result.rows, title=f"nightly_retrain: {result.state}"))
    if result.failure:
        console.print(escape(result.failure), soft_wrap=True)
    if result.accuracy is not None:
        console.print(f"Accuracy on held-out digits  [bold green]{_format_number(result.accuracy)}[/]")
    if result.model is not None:
        console.print(
            f"Model                        {escape(str(result.model).removeprefix('file://'))}", soft_wrap=True
        )
    console.print(f"Logs and environments        {escape(str(home))}", soft_wrap=True)
    console.print(f"The run in Airflow's UI      {escape(result.url)} (while it is up: --keep)", soft_wrap=True)


def _format_number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))


def _wait_for_interrupt(console: Console, flow: DemoFlow) -> None:
    """Leave everything up until somebody wants it stopped."""
    airflow, service = flow.airflow, flow.service
    console.print()
    console.print(f"Airflow   {airflow.url}   user {airflow.login}, password {airflow.password}", soft_wrap=True)
    console.print(
        f"Service   {service.connections()['dlaas_default']['host']}   credentials in {service.home}", soft_wrap=True
    )
    console.print("Ctrl-C stops both.")
    try:
        flow.wait_for_failure()
    except Interrupted:
        return


def _require_disk_space(home: Path) -> None:
    free = shutil.disk_usage(home).free / 2**30
    if free < MIN_FREE_GIB and not any((home / "service" / "environments").glob("*")):
        raise HostError(
            f"{home} has {free:.1f} GiB free, and the environment of {' '.join(RUNTIME)} needs {MIN_FREE_GIB} GiB: "
            "make room, or choose another folder with --home"
        )


@contextmanager
def _exclusive_lock(home: Path) -> Iterator[None]:
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
def _interrupt_on_signals() -> Iterator[None]:
    """Let Ctrl-C, a SIGTERM and a closed terminal raise `Interrupted` in here."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    before = {one: signal.signal(one, interrupt) for one in STOP_SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _ignore_signals() -> Iterator[None]:
    """Hear no signal while cleaning up; who is in a hurry has kill -9, which leaves nothing running either."""
    before = {one: signal.signal(one, signal.SIG_IGN) for one in STOP_SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
