#!/usr/bin/env python3
"""
From a fresh checkout to the demo or the tests, with nothing but Python 3.11 or newer.

    python3 bootstrap.py demo [--keep …]      a service, a real Airflow, one DAG run, a trained model
    python3 bootstrap.py test [pytest …]      the checks and the tests that take minutes
    python3 bootstrap.py test-all [pytest …]  the checks and all tests
    python3 bootstrap.py test-long            what is too long for that
    python3 bootstrap.py test-matrix          the provider's unit tests on other releases of Python and Airflow
    python3 bootstrap.py constraints          constraints.txt, resolved anew

With arguments, test and test-all hand them to pytest, and leave the checks out.

The demo has a virtual environment of its own in the checkout (.venv-demo), and so have the tests (.venv-test), made at
the first time and reused until what it is made from changes: once it stands, no network is needed. The environment gets
uv and rich from pip; this file then runs inside it, and lets uv install the rest. Where pip is configured to look for
packages, uv looks too.
"""

# Only the standard library here, and no syntax that an old Python stumbles over before it can be told that it is old.
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
"""The service's: it uses what came with 3.11."""

AIRFLOW = "3.3.2"
"""The release the demo and the tests run; the provider itself takes any from 3.1 on."""

EXTRAS = {
    "demo": "service,examples",
    "test": "dev",
    "test-all": "dev",
    "test-long": "dev",
    "test-matrix": "dev",
    "constraints": "",
}

NEEDED_GIB = {"demo": 5, "test": 3, "test-all": 8, "test-long": 8, "test-matrix": 6, "constraints": 1}
"""Room for the environment, for the frameworks that are installed later, and for what is unpacked on the way."""

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
    "sensors",
    "storage",
    "task_runs",
    "triggers",
)
"""The packages of the provider, which runs on Python 3.10 too."""

CHECKS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("mypy", "--python-version", "3.10", *(f"airflow_dlaas/{one}" for one in PROVIDER)),
    ("lint-imports",),
)

PROCESSORS = max(2, os.cpu_count() or 1)

WORKERS = {"test": PROCESSORS, "test-all": PROCESSORS + 1}
"""Processes that run tests: those of `test` compute, many of the others wait."""

TESTS = {
    "test": (
        *("tests/unit", "tests/architecture", "tests/conformance"),
        "tests/integration/operators/test_model.py",  # from the code's zip to the trained model, with the real service
        *("-m", "not postgresql and not long"),
    ),
    "test-all": (),
}
"""What pytest runs."""

LEFT_OUT = "Left out: PostgreSQL, most of integration, chaos, fuzzing, and a real Airflow (make test-all)."

LONG = (
    ("-m", "pytest", "tests", "-m", "long", "--timeout", "0"),
    ("-m", "pytest", "tests/fuzz", "--timeout", "0"),
    ("-m", "tests.chaos.service", "--rounds", "500"),
    ("-m", "tests.chaos.airflow", "--rounds", "100"),
)
"""What Python runs one after the other, with `LONG_ENVIRONMENT`."""

NOTHING_COLLECTED = 5
"""What pytest exits with where no test is marked as long."""

LONG_ENVIRONMENT = {"DLAAS_FUZZ": "20"}
"""Twenty times as many examples, others each time."""

SYSTEM_PACKAGES = {
    "bwrap": "bubblewrap",
    "chromium": "chromium",
    "curl": "curl",
    "htpasswd": "apache2-utils",
    "initdb": "postgresql",
}
"""Programs that tests need, and the packages of Debian and Ubuntu that bring them."""

BESIDE_PATH = Path("/usr/lib/postgresql")
"""Where those distributions install programs of PostgreSQL, by its release."""

PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}
"""Options of pip that say where packages come from, and what uv calls them."""

HERE = Path(__file__).resolve().parent

HEADER = f"""\
# What `python3 bootstrap.py demo` and `test` install, so that they still work next year: every package with its
# version, for Python 3.10 to 3.13 and every platform. pip and uv both read it:
#     pip install "airflow-dlaas[service]" -c constraints.txt
# Frameworks (TensorFlow, PyTorch) are not here: the service installs those into environments of their own.
# Renew it with `make constraints`; Airflow stays at {AIRFLOW} until bootstrap.py says otherwise.
"""


class Impossible(Exception):
    """A sentence for whoever called, who can do something about it."""


def main(command: str, arguments: list[str]) -> int:  # noqa: RET503 - exec does not return
    """Run *command*; outside its environment make that first, and go on inside."""
    home = HERE / f".venv-{'test' if command.startswith('test') else 'demo'}"
    python = home / "bin" / "python"
    if Path(sys.prefix) != home:
        require_python()
        require_room(command)
        with locked(home):
            make_environment(home, python)
        environment = packages_environment(python)
        # Without bytecode everything starts at half the speed; another Python's modules have no place here.
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
        raise Impossible("The service and Airflow run on Linux (Windows: in its Linux subsystem, WSL 2).")
    if sys.version_info < OLDEST:
        newer = [name for name in ("python3.13", "python3.12", "python3.11") if shutil.which(name)]
        way_out = f"run {newer[0]} bootstrap.py, or make PYTHON={newer[0]}" if newer else "install a newer one"
        raise Impossible(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and this is {sys.version.split()[0]} "
            f"({sys.executable}): {way_out}."
        )


def require_room(command: str) -> None:
    free = shutil.disk_usage(HERE).free / 2**30
    needed = NEEDED_GIB[command]
    home = HERE / f".venv-{'test' if command.startswith('test') else 'demo'}"
    if free < needed and not (home / "installed").exists():
        raise Impossible(
            f"{HERE} has {free:.1f} GiB of free disk space, and {command} needs about {needed} GiB: make room."
        )


def make_environment(home: Path, python: Path) -> None:
    """Make an environment with uv and rich, unless it is there and works."""
    broken_off = (home / "installing").exists()
    if not broken_off and works(python):
        return
    try:
        import ensurepip  # noqa: F401  (some distributions leave it out, and venv then fails half-way)
        import venv
    except ImportError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Impossible(
            f"This Python has no {error.name} module, and so can't make virtual environments: install it "
            f"(on Debian and Ubuntu: apt install python{version}-venv)."
        ) from None
    tell(f"Making a virtual environment in {home.name}")
    keep = home / "lock"
    for old in home.iterdir():
        if old != keep:
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    (home / "installing").touch()
    try:
        venv.EnvBuilder(with_pip=True, symlinks=True).create(home)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Impossible(f"The virtual environment {home} could not be made: {error}.") from None
    tell("Installing uv and rich")
    wanted = [line for line in constraints().splitlines() if re.match(r"(uv|rich)==", line)] or ["uv", "rich"]
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2", *wanted],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise Impossible(no_packages(done.stdout))
    (home / "installing").unlink()


def works(python: Path) -> bool:
    """Whether the environment stands: an interpreter that was removed since, or another place, makes it useless."""
    if not python.exists() or not (python.parent / "uv").exists():
        return False
    return subprocess.run([str(python), "-c", "import rich, uv"], capture_output=True, check=False).returncode == 0


def packages_environment(python: Path) -> dict[str, str]:
    """Our environment with pip's sources of packages put as uv's; what is set for uv already stays."""
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
    Read ``pip config list`` as variables of uv.

    Of several places that name an option the environment (``:env:``) wins over a command's section, and that
    over ``global``, as with pip.
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
        # pip takes the best version of all indexes; uv by default only looks into the first that has a package. Of
        # equal versions uv takes the first index's files, and the main index is the one that has them for every Python.
        sources["UV_INDEX"] = f"{sources.get('UV_DEFAULT_INDEX', 'https://pypi.org/simple')} {sources['UV_INDEX']}"
        sources["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if sources.get("UV_NO_INDEX", "1").lower() in {"0", "false", "no", "off"}:
        del sources["UV_NO_INDEX"]
    return sources


# -- inside it -------------------------------------------------------------------------------


def install(home: Path, extras: str) -> None:
    """Install this checkout with *extras*, unless that has been done since its requirements last changed."""
    stamp = home / "installed"
    wanted = hashlib.sha256(
        "\0".join([(HERE / "pyproject.toml").read_text(), constraints(), sys.version, str(HERE), extras]).encode()
    ).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    command = [
        *(str(home / "bin" / "uv"), "pip", "install", "--python", sys.executable, "--compile-bytecode"),
        *("--editable", f"{HERE}[{extras}]", "--constraints", str(HERE / "constraints.txt")),
    ]
    said = follow(command, f"Installing airflow-dlaas and {extras}")
    if said is not None:
        raise Impossible(no_packages(said))
    stamp.write_text(wanted)


def follow(command: list[str], title: str) -> str | None:
    """Run uv, showing what it does; returns None when it went well, and what it said otherwise."""
    from rich.console import Console

    console = Console(highlight=False)
    began = time.monotonic()
    said: list[str] = []
    uv = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=HERE)
    assert uv.stderr is not None  # noqa: S101 - a pipe was asked for
    try:
        with console.status(f"{title} …") as status:
            for line in uv.stderr:
                said.append(line.rstrip())
                words = stage(line)
                if not words:
                    continue
                status.update(f"{title}: {words} [dim]({time.monotonic() - began:.0f} s)[/]")
                if not console.is_terminal and not words.startswith("fetching"):
                    console.print(f"{title}: {words}", soft_wrap=True)
        status_code = uv.wait()
    except BaseException:
        uv.terminate()
        uv.wait()
        raise
    if status_code:
        return "\n".join(said)
    installed = sum(1 for line in said if line.startswith(" + "))
    console.print(f"[green]✓[/] {title}: {installed} packages, {time.monotonic() - began:.0f} s", soft_wrap=True)
    return None


def stage(line: str) -> str:
    """What uv is at after having said *line*, in words; empty when the line tells nothing new."""
    line = line.strip()
    for pattern, words in (
        (r"Resolved (\d+) packages", "{0} packages needed, fetching those that are not here"),
        (r"(?:Downloading|Building) (.+)", "fetching {0}"),
        (r"Prepared (\d+) packages", "{0} packages fetched, installing"),
        (r"Installed (\d+) packages", "{0} packages installed, compiling them"),
    ):
        match = re.match(pattern, line)
        if match:
            return words.format(*match.groups())
    return ""


def run_tests(home: Path, command: str, arguments: list[str]) -> int:
    """Run the checks (unless pytest is told what to do), then pytest; its exit code, or 1 when only a check failed."""
    if command == "test-all":
        install_system_packages()
    bad: list[str] = []
    if not arguments:
        bad = run_checks(home)
        arguments = ["-n", str(WORKERS[command]), *TESTS[command]]
        if command == "test":
            tell(LEFT_OUT)
    if bad:
        tell(f"Failed: {', '.join(bad)}. The tests run nevertheless.")
    return run([sys.executable, "-m", "pytest", *arguments]) or bool(bad)


def run_checks(home: Path) -> list[str]:
    """Run the checks, all at once; those that failed, in words."""
    begun = []
    for check in CHECKS:
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
        command = [str(home / "bin" / check[0]), *check[1:]]
        begun.append((check, output, subprocess.Popen(command, cwd=HERE, stdout=output, stderr=subprocess.STDOUT)))
    bad = []
    for check, output, process in begun:
        if process.wait():
            bad.append(" ".join(check))
        with output:
            output.seek(0)
            tell(f"{' '.join(check)}\n{output.read().decode(errors='replace').rstrip()}")
    return bad


def run_long() -> int:
    """Run what takes hours; 1 when something failed."""
    os.environ.update(LONG_ENVIRONMENT)
    bad = []
    for arguments in LONG:
        tell(" ".join(arguments))
        if run([sys.executable, *arguments]) not in {0, NOTHING_COLLECTED}:
            bad.append(" ".join(arguments))
    if bad:
        tell(f"Failed: {', '.join(bad)}.")
    return bool(bad)


def run(command: list[str]) -> int:
    """Run *command* to its end and return its exit code, whoever asks us to stop meanwhile: it is asked, too."""
    running = subprocess.Popen(command, cwd=HERE)
    # Ctrl-C reaches pytest by itself, and it has servers to stop before it ends: wait for that.
    signal.signal(signal.SIGINT, lambda *_: None)
    for stop in stopping():
        signal.signal(stop, lambda *_: running.send_signal(signal.SIGINT))
    return running.wait()


def install_system_packages() -> None:
    """Install what tests need and this machine lacks, where root has apt-get; elsewhere those tests are skipped."""
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        return
    lacking = [
        package
        for program, package in SYSTEM_PACKAGES.items()
        if not shutil.which(program) and not any(BESIDE_PATH.glob(f"*/bin/{program}"))
    ]
    if not lacking:
        return
    tell(f"Installing {' '.join(lacking)} (apt-get)")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, capture_output=True, check=False)
    for package in lacking:  # one by one, so that one that this distribution lacks does not cost the others
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            tell(f"{package} could not be installed; its tests are skipped. {done.stderr.strip()[-300:]}")


def resolve_constraints(home: Path) -> int:
    """Write constraints.txt: no index, no path and no host of this machine in it."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write(f"apache-airflow=={AIRFLOW}\n")
        pins.flush()
        command = [
            *(str(home / "bin" / "uv"), "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.10"),
            *("--all-extras", "--upgrade", "--constraints", pins.name),
            *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        ]
        # Only the main index: another may lack what other Pythons and platforms need.
        environment = {key: value for key, value in os.environ.items() if key not in {"UV_INDEX", "UV_FIND_LINKS"}}
        environment["UV_PYTHON_DOWNLOADS"] = "never"
        done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        return done.returncode
    lines = [line for line in done.stdout.splitlines() if not line.startswith("airflow-dlaas")]
    (HERE / "constraints.txt").write_text(HEADER + "\n".join(lines) + "\n")
    tell(f"constraints.txt: {len(lines)} lines")
    return 0


# -- both -----------------------------------------------------------------------------------------


def constraints() -> str:
    path = HERE / "constraints.txt"
    return path.read_text() if path.exists() else ""


def no_packages(said: str) -> str:
    """A sentence about an installation that failed, after what the installer *said*."""
    network = r"resolve host|Name or service|dns error|Connection|connect|timed out|NewConnectionError|No route|retries"
    if re.search(network, said, re.IGNORECASE):
        why = "the package index could not be reached: is there a network? (PIP_INDEX_URL names another index)"
    elif re.search(r"No space left|ENOSPC|os error 28", said):
        why = "the disk is full"
    else:
        why = "see above"
    lines = said.strip().splitlines()
    last = [line for line in lines if not line.startswith("WARNING")][-15:] or lines[-5:]
    return "\n".join([*last, "", f"The packages could not be installed: {why}."])


@contextlib.contextmanager
def locked(home: Path):  # type: ignore[no-untyped-def]  # collections.abc is not worth an import for old Pythons
    """Keep *home* for one bootstrap at a time."""
    import fcntl

    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"Waiting for another bootstrap in {home.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stopping() -> list[int]:
    """Signals that ask us to stop; not the end of the terminal where ``nohup`` has it ignored."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGHUP]


def tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in EXTRAS:
        sys.exit(__doc__)
    try:
        if os.name == "posix":
            for stop in stopping():  # so that pip and uv end with us
                signal.signal(stop, signal.default_int_handler)
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except Impossible as impossible:
        sys.exit(f"{impossible}")
    except KeyboardInterrupt:
        sys.exit(130)
