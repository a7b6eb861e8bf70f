#!/usr/bin/env python3
"""
Runs the demo or the tests in a fresh checkout; it needs Python 3.11 or newer, and nothing else.

    python3 bootstrap.py demo [--keep …]      start a service and a real Airflow, run one DAG, train a model
    python3 bootstrap.py test [pytest …]      run the checks, and the tests that take minutes
    python3 bootstrap.py test-all [pytest …]  run the checks and all tests
    python3 bootstrap.py test-long            run the tests that take hours
    python3 bootstrap.py test-matrix          run the provider's unit tests on other releases of Python and Airflow
    python3 bootstrap.py constraints          resolve constraints.txt again

test and test-all pass arguments to pytest; with arguments they skip the checks.

The demo and the tests each have a virtual environment in the checkout (.venv-demo, .venv-test). It is made once, and
again when its requirements change; otherwise no network is needed. pip installs uv and rich into the environment; then
this file runs in the environment, and uv installs the rest. uv searches for packages where pip is configured to search.
"""

# Only the standard library, and only syntax that an old Python can parse: `require_python` must be able to report it.
from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OLDEST = (3, 11)
"""The oldest Python of the service."""

AIRFLOW = "3.3.2"
"""The Airflow release of the demo and the tests; the provider supports every release since 3.1."""

EXTRAS = {
    "demo": "service,examples",
    "test": "dev",
    "test-all": "dev",
    "test-long": "dev",
    "test-matrix": "dev",
    "constraints": "",
}

NEEDED_GIB = {"demo": 5, "test": 3, "test-all": 8, "test-long": 8, "test-matrix": 6, "constraints": 1}
"""Disk space for the environment, for frameworks that are installed later, and for unpacked packages."""

PROVIDER = (
    "_util",
    "assets",
    "client",
    "contract",
    "fs",
    "hooks",
    "integrations",
    "links",
    "operators",
    "packaging",
    "parameters",
    "plugin",
    "pruning",
    "sensors",
    "storage",
    "task_runs",
    "triggers",
)
"""The packages of the provider, which also supports Python 3.10."""

CHECKS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("mypy", "--python-version", "3.10", *(f"airflow_dlaas/{one}" for one in PROVIDER)),
    ("lint-imports",),
)

PROCESSORS = max(2, os.cpu_count() or 1)

WORKERS = {"test": PROCESSORS, "test-all": PROCESSORS + 1}
"""Number of processes that run tests: the tests of `test` compute, many of the others wait."""

TESTS = {
    "test": (
        *("tests/unit", "tests/architecture", "tests/conformance"),
        "tests/integration/operators/test_model.py",  # packages code and trains a model with the real service
        *("-m", "not postgresql and not long"),
    ),
    "test-all": (),
}
"""The arguments of pytest."""

LEFT_OUT = "Not run: PostgreSQL, most of integration, chaos, fuzzing, and a real Airflow (make test-all)."

LONG = (
    ("-m", "pytest", "tests", "-m", "long", "--timeout", "0"),
    ("-m", "pytest", "tests/fuzz", "--timeout", "0"),
    ("-m", "tests.chaos.service", "--rounds", "500"),
    ("-m", "tests.chaos.checkpoints", "--rounds", "200"),
    ("-m", "tests.chaos.data_cache", "--rounds", "200"),
    ("-m", "tests.chaos.airflow", "--rounds", "100"),
)
"""The commands of `test-long`, arguments of Python; they run one after the other, with `LONG_ENVIRONMENT`."""

NOTHING_COLLECTED = 5
"""The exit code of pytest if no test is marked as long."""

LONG_ENVIRONMENT = {"DLAAS_FUZZ": "20"}
"""Twenty times as many examples, different ones in each run."""

SYSTEM_PACKAGES = {
    "bwrap": "bubblewrap",
    "chromium": "chromium",
    "curl": "curl",
    "htpasswd": "apache2-utils",
    "initdb": "postgresql",
}
"""Programs that tests need, and their packages in Debian and Ubuntu."""

BESIDE_PATH = Path("/usr/lib/postgresql")
"""The folder in which these distributions install PostgreSQL, by release."""

PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}
"""Options of pip about the sources of packages, and the variables of uv with the same meaning."""

HERE = Path(__file__).resolve().parent

HEADER = f"""\
# The versions of all packages that `python3 bootstrap.py demo` and `test` install, so that they still work next year:
# for Python 3.10 to 3.13 and every platform. pip and uv can read this file:
#     pip install "airflow-dlaas[service]" -c constraints.txt
# Frameworks (TensorFlow, PyTorch) are not here: the service installs them into environments of their own.
# `make constraints` renews this file; bootstrap.py sets the version of Airflow ({AIRFLOW}).
"""


class Impossible(Exception):
    """An error that the user can correct; the message names the remedy."""


def main(command: str, arguments: list[str]) -> int:  # noqa: RET503 - exec does not return
    """Run *command*; outside its environment, make the environment first and restart this file in it."""
    home = HERE / f".venv-{'test' if command.startswith('test') else 'demo'}"
    python = home / "bin" / "python"
    if Path(sys.prefix) != home:
        require_python()
        require_room(command)
        with locked(home):
            make_environment(home, python)
        environment = packages_environment(python)
        # Without bytecode every start takes twice as long; modules of another Python must not be imported.
        for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH"):
            environment.pop(name, None)
        environment["VIRTUAL_ENV"] = str(home)
        environment["PATH"] = os.pathsep.join([str(home / "bin"), environment.get("PATH", os.defpath)])
        sys.stdout.flush()
        os.execve(str(python), [str(python), str(HERE / "bootstrap.py"), command, *arguments], environment)  # noqa: S606
    if command == "constraints":
        return resolve_constraints(home)
    with locked(home):
        install(home, EXTRAS[command])
    if command in TESTS:
        return run_tests(home, command, arguments)
    if command == "test-long":
        return run_long()
    if command == "test-matrix":
        return run([sys.executable, "-m", "tests.matrix", *arguments])
    os.execv(str(home / "bin" / "airflow-dlaas"), ["airflow-dlaas", "demo", *arguments])  # noqa: S606


# -- outside the environment --------------------------------------------------------------


def require_python() -> None:
    if os.name != "posix":
        raise Impossible("The service and Airflow need Linux (on Windows: WSL 2).")
    if sys.version_info < OLDEST:
        newer = [name for name in ("python3.13", "python3.12", "python3.11") if shutil.which(name)]
        remedy = f"run {newer[0]} bootstrap.py, or make PYTHON={newer[0]}" if newer else "install a newer Python"
        raise Impossible(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is required, but this is {sys.version.split()[0]} "
            f"({sys.executable}): {remedy}."
        )


def require_room(command: str) -> None:
    free = shutil.disk_usage(HERE).free / 2**30
    needed = NEEDED_GIB[command]
    home = HERE / f".venv-{'test' if command.startswith('test') else 'demo'}"
    if free < needed and not (home / "installed").exists():
        raise Impossible(
            f"{HERE} has {free:.1f} GiB of free disk space, but {command} needs about {needed} GiB: free some space."
        )


def make_environment(home: Path, python: Path) -> None:
    """Make an environment with uv and rich, unless there is a working one."""
    was_interrupted = (home / "installing").exists()
    if not was_interrupted and works(python):
        return
    try:
        import ensurepip  # noqa: F401  (some distributions have no ensurepip, and then venv fails in the middle)
        import venv
    except ImportError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Impossible(
            f"This Python has no module {error.name}, and cannot make virtual environments: install the module "
            f"(on Debian and Ubuntu: apt install python{version}-venv)."
        ) from None
    report(f"Making a virtual environment in {home.name}")
    lock = home / "lock"
    for old in home.iterdir():
        if old != lock:
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    (home / "installing").touch()
    try:
        venv.EnvBuilder(with_pip=True, symlinks=True).create(home)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Impossible(f"The virtual environment {home} could not be made: {error}.") from None
    report("Installing uv and rich")
    requirements = [line for line in constraints().splitlines() if re.match(r"(uv|rich)==", line)] or ["uv", "rich"]
    completed = subprocess.run(
        [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--retries",
            "2",
            *requirements,
        ],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if completed.returncode:
        raise Impossible(no_packages(completed.stdout))
    (home / "installing").unlink()


def works(python: Path) -> bool:
    """Return whether the environment works: it breaks if its interpreter is removed, or if the folder is moved."""
    if not python.exists() or not (python.parent / "uv").exists():
        return False
    return subprocess.run([str(python), "-c", "import rich, uv"], capture_output=True, check=False).returncode == 0


def packages_environment(python: Path) -> dict[str, str]:
    """Return the environment variables with pip's sources of packages as variables of uv; variables of uv stay."""
    environment = dict(os.environ)
    listing = subprocess.run(
        [str(python), "-m", "pip", "--disable-pip-version-check", "config", "list"],
        text=True,
        capture_output=True,
        check=False,
    )
    for name, value in pip_sources(listing.stdout).items():
        environment.setdefault(name, value)
    return environment


def pip_sources(listing: str) -> dict[str, str]:
    """
    Convert the output of ``pip config list`` to variables of uv.

    If an option is set in several places, the environment (``:env:``) takes precedence over the section of a command,
    and that over ``global``, as in pip.
    """
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        match = re.match(r"(:env:|install|global)\.([\w-]+)=(.+)$", line)
        if not match or match[2] not in PIP_TO_UV:
            continue
        rank = ("global", "install", ":env:").index(match[1])
        with contextlib.suppress(ValueError, SyntaxError):
            value = " ".join(str(ast.literal_eval(match[3])).split())
            if rank >= found.get(match[2], (0, ""))[0]:
                found[match[2]] = rank, value
    sources = {PIP_TO_UV[option]: value for option, (_, value) in found.items()}
    if "UV_FIND_LINKS" in sources:
        sources["UV_FIND_LINKS"] = sources["UV_FIND_LINKS"].replace(" ", ",")
    if "UV_INDEX" in sources:
        # pip takes the best version of all indexes; uv by default searches only the first index that has the package.
        # Of equal versions uv takes the files of the first index, and the main index has files for every Python.
        sources["UV_INDEX"] = f"{sources.get('UV_DEFAULT_INDEX', 'https://pypi.org/simple')} {sources['UV_INDEX']}"
        sources["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if sources.get("UV_NO_INDEX", "1").lower() in {"0", "false", "no", "off"}:
        del sources["UV_NO_INDEX"]
    return sources


# -- inside the environment -------------------------------------------------------------------------------


def install(home: Path, extras: str) -> None:
    """Install this checkout with *extras*, unless it is installed and the requirements have not changed."""
    stamp = home / "installed"
    digest = hashlib.sha256(
        "\0".join([(HERE / "pyproject.toml").read_text(), constraints(), sys.version, str(HERE), extras]).encode()
    ).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    command = [
        *(str(home / "bin" / "uv"), "pip", "install", "--python", sys.executable, "--compile-bytecode"),
        *("--editable", f"{HERE}[{extras}]", "--constraints", str(HERE / "constraints.txt")),
    ]
    output = follow(command, f"Installing airflow-dlaas and {extras}")
    if output is not None:
        raise Impossible(no_packages(output))
    stamp.write_text(digest)


def follow(command: list[str], title: str) -> str | None:
    """Run uv and show its progress; return None after a success, otherwise its output."""
    from rich.console import Console

    console = Console(highlight=False)
    started = time.monotonic()
    output: list[str] = []
    uv = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=HERE)
    assert uv.stderr is not None  # noqa: S101 - stderr is a pipe
    try:
        with console.status(f"{title} …") as status:
            for line in uv.stderr:
                output.append(line.rstrip())
                description = stage(line)
                if not description:
                    continue
                status.update(f"{title}: {description} [dim]({time.monotonic() - started:.0f} s)[/]")
                if not console.is_terminal and not description.startswith("fetching"):
                    console.print(f"{title}: {description}", soft_wrap=True)
        status_code = uv.wait()
    except BaseException:
        uv.terminate()
        uv.wait()
        raise
    if status_code:
        return "\n".join(output)
    installed = sum(1 for line in output if line.startswith(" + "))
    console.print(f"[green]✓[/] {title}: {installed} packages, {time.monotonic() - started:.0f} s", soft_wrap=True)
    return None


def stage(line: str) -> str:
    """Describe the progress of uv after the output *line*; empty if the line is about nothing new."""
    line = line.strip()
    for pattern, description in (
        (r"Resolved (\d+) packages", "{0} packages needed, fetching those that are not cached"),
        (r"(?:Downloading|Building) (.+)", "fetching {0}"),
        (r"Prepared (\d+) packages", "{0} packages fetched, installing"),
        (r"Installed (\d+) packages", "{0} packages installed, compiling them"),
    ):
        match = re.match(pattern, line)
        if match:
            return description.format(*match.groups())
    return ""


def run_tests(home: Path, command: str, arguments: list[str]) -> int:
    """Run the checks (without *arguments* only), then pytest; return its exit code, or 1 if only a check failed."""
    if command == "test-all":
        install_system_packages()
    failed: list[str] = []
    if not arguments:
        failed = run_checks(home)
        arguments = ["-n", str(WORKERS[command]), *TESTS[command]]
        if command == "test":
            report(LEFT_OUT)
    if failed:
        report(f"Failed: {', '.join(failed)}. The tests still run.")
    return run([sys.executable, "-m", "pytest", *arguments]) or bool(failed)


def run_checks(home: Path) -> list[str]:
    """Run all checks at the same time; return the commands that failed."""
    processes = []
    for check in CHECKS:
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
        command = [str(home / "bin" / check[0]), *check[1:]]
        processes.append((check, output, subprocess.Popen(command, cwd=HERE, stdout=output, stderr=subprocess.STDOUT)))
    failed = []
    for check, output, process in processes:
        if process.wait():
            failed.append(" ".join(check))
        with output:
            output.seek(0)
            report(f"{' '.join(check)}\n{output.read().decode(errors='replace').rstrip()}")
    return failed


def run_long() -> int:
    """Run the tests that take hours; return 1 if one failed."""
    os.environ.update(LONG_ENVIRONMENT)
    failed = []
    for arguments in LONG:
        report(" ".join(arguments))
        if run([sys.executable, *arguments]) not in {0, NOTHING_COLLECTED}:
            failed.append(" ".join(arguments))
    if failed:
        report(f"Failed: {', '.join(failed)}.")
    return bool(failed)


def run(command: list[str]) -> int:
    """Run *command* and return its exit code; a stop signal is passed on as SIGINT, and its end is awaited."""
    running = subprocess.Popen(command, cwd=HERE)
    # The terminal sends Ctrl-C to pytest too; wait until pytest has stopped its servers.
    signal.signal(signal.SIGINT, lambda *_: None)
    for stop in stopping():
        signal.signal(stop, lambda *_: running.send_signal(signal.SIGINT))
    return running.wait()


def install_system_packages() -> None:
    """Install missing programs that tests need, if this is root with apt-get; otherwise those tests are skipped."""
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        return
    missing = [
        package
        for program, package in SYSTEM_PACKAGES.items()
        if not shutil.which(program) and not any(BESIDE_PATH.glob(f"*/bin/{program}"))
    ]
    if not missing:
        return
    report(f"Installing {' '.join(missing)} (apt-get)")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, capture_output=True, check=False)
    for package in missing:  # one by one: a package that the distribution does not have must not stop the others
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
        completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if completed.returncode:
            report(f"{package} could not be installed; its tests are skipped. {completed.stderr.strip()[-300:]}")


def resolve_constraints(home: Path) -> int:
    """Write constraints.txt, without any index, path or host of this machine."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write(f"apache-airflow=={AIRFLOW}\n")
        pins.flush()
        command = [
            *(str(home / "bin" / "uv"), "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.10"),
            *("--all-extras", "--upgrade", "--constraints", pins.name),
            *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        ]
        # Only the main index: another one may have no files for other Pythons and platforms.
        environment = {key: value for key, value in os.environ.items() if key not in {"UV_INDEX", "UV_FIND_LINKS"}}
        environment["UV_PYTHON_DOWNLOADS"] = "never"
        completed = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if completed.returncode:
        return completed.returncode
    lines = [line for line in completed.stdout.splitlines() if not line.startswith("airflow-dlaas")]
    (HERE / "constraints.txt").write_text(HEADER + "\n".join(lines) + "\n")
    report(f"constraints.txt: {len(lines)} lines")
    return 0


# -- in both -----------------------------------------------------------------------------------------


def constraints() -> str:
    path = HERE / "constraints.txt"
    return path.read_text() if path.exists() else ""


def no_packages(output: str) -> str:
    """Return a message about a failed installation, with the end of the installer's *output*."""
    network = r"resolve host|Name or service|dns error|Connection|connect|timed out|NewConnectionError|No route|retries"
    if re.search(network, output, re.IGNORECASE):
        cause = "the package index could not be reached: is there a network? (PIP_INDEX_URL names another index)"
    elif re.search(r"No space left|ENOSPC|os error 28", output):
        cause = "the disk is full"
    else:
        cause = "see above"
    lines = output.strip().splitlines()
    last = [line for line in lines if not line.startswith("WARNING")][-15:] or lines[-5:]
    return "\n".join([*last, "", f"The packages could not be installed: {cause}."])


@contextlib.contextmanager
def locked(home: Path):  # type: ignore[no-untyped-def]  # no import of collections.abc for one annotation
    """Lock *home* during the block; wait while another bootstrap.py holds the lock."""
    import fcntl

    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"Waiting for another bootstrap.py in {home.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stopping() -> list[int]:
    """Return the signals that stop this program; SIGHUP is left out if ``nohup`` ignores it."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGHUP]


def report(message: str) -> None:
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in EXTRAS:
        sys.exit(__doc__)
    try:
        if os.name == "posix":
            for stop in stopping():  # so that pip and uv end with this program
                signal.signal(stop, signal.default_int_handler)
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except Impossible as impossible:
        sys.exit(f"{impossible}")
    except KeyboardInterrupt:
        sys.exit(130)
