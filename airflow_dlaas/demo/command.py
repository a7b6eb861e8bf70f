"""``airflow-dlaas demo``: the checks before the start, the result, and the end."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.demo import ports
from airflow_dlaas.demo.demo_flow import RUNTIME, DemoFlow, DemoResult, create_processes
from airflow_dlaas.demo.display import Display, task_table
from airflow_dlaas.demo.example_dags import example_dags
from airflow_dlaas.exceptions import DlaasError, HostError

MIN_FREE_GIB = 3
"""Disk space for the environment of TensorFlow (1.6 GiB), its unpacked packages, data and database."""

INTERRUPTED_EXIT_CODE = 130
"""Exit code after Ctrl-C or SIGTERM: 128 + SIGINT, the convention of shells."""


class Interrupted(BaseException):
    """The user or a signal stops the demo. Not an `Exception`, so that no handler takes it for a failure."""


def demo(
    *,
    keep: bool = False,
    home: Path = Path(".demo"),
    airflow_port: int = 8080,
    port: int = 8480,
    objectstore_port: int = 8481,
) -> int:
    """
    Run the example DAG on a real Airflow with a training service, and show the run; return the exit code.

    When this function returns, no process is left, also after an error. The folder *home* stays, with the model, the
    logs and the environments; the next demo uses the same environments.
    """
    console = Console(highlight=False)
    home = home.expanduser().resolve()
    ports_by_option = {"--airflow-port": airflow_port, "--port": port, "--objectstore-port": objectstore_port}
    try:
        with _interrupt_on_signals(), _exclusive_lock(home):
            ports.require_free_ports(ports_by_option)
            _require_disk_space(home)
            # Always a new Airflow: an old one would continue a run that was interrupted.
            shutil.rmtree(home / "airflow", ignore_errors=True)
            service, airflow = create_processes(
                home,
                example_dags(),
                airflow_port=airflow_port,
                port=port,
                objectstore_port=objectstore_port,
            )
            flow = DemoFlow(service, airflow, home / "workspace", display := Display(console))
            try:
                with display:
                    result = flow.run()
                _print_result(console, result, home)
                if keep:
                    _wait_for_interrupt(console, flow)
                return 0 if result.state == "success" else 1
            finally:
                with _ignore_signals():
                    console.print("Stopping …", style="dim")
                    flow.close()
    except Interrupted:
        console.print("Stopped. No process is left.")
        return INTERRUPTED_EXIT_CODE
    except DlaasError as error:
        console.print(escape(str(error)), style="red", soft_wrap=True)
        return 1


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
    """Keep Airflow and the service running until the user interrupts the demo."""
    airflow, service = flow.airflow, flow.service
    console.print()
    console.print(f"Airflow   {airflow.url}   user {airflow.login}, password {airflow.password}", soft_wrap=True)
    console.print(
        f"Service   {service.connections()['dlaas_default']['host']}   credentials in {service.home}", soft_wrap=True
    )
    console.print(
        f"Objects   {service.connections()['swift_default']['host']}   for S3 clients {service.s3_url}", soft_wrap=True
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
            f"{home} has {free:.1f} GiB of free disk space, and the environment of {' '.join(RUNTIME)} needs "
            f"{MIN_FREE_GIB} GiB: free some space, or choose another folder with --home"
        )


@contextmanager
def _exclusive_lock(home: Path) -> Iterator[None]:
    """
    Lock *home* for this demo.

    :raises HostError: another demo uses the folder, or it cannot be created or written.
    """
    with ExitStack() as stack:
        try:
            home.mkdir(parents=True, exist_ok=True)
            stack.enter_context(file_lock(home / "lock", timeout=0, mode=0o644))
        except BlockingIOError as error:
            raise HostError(f"Another demo runs in {home}: stop it, or choose another folder with --home") from error
        except OSError as error:
            raise HostError(f"{home} cannot be used ({error.strerror}): choose another folder with --home") from error
        yield


@contextmanager
def _interrupt_on_signals() -> Iterator[None]:
    """Raise `Interrupted` in the block for Ctrl-C, SIGTERM and a closed terminal."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    handlers = {one: signal.signal(one, interrupt) for one in STOP_SIGNALS}
    try:
        yield
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)


@contextmanager
def _ignore_signals() -> Iterator[None]:
    """Ignore the stop signals in the block; SIGKILL still works, and the process guards then end all processes."""
    handlers = {one: signal.signal(one, signal.SIG_IGN) for one in STOP_SIGNALS}
    try:
        yield
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
