"""The console with a real service: exit codes and sentences, output in pipes and terminals, Ctrl-C, completion."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.cli import main
from airflow_dlaas.cli.exit_codes import ExitCode
from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import GATE, Customer

Console = Callable[..., tuple[int, str, str]]

CONSOLE = [sys.executable, "-m", "airflow_dlaas.cli"]

NASTY_NAME = "a\x1b[2Jb"


@pytest.fixture
def console(
    service: ServiceProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Console:
    """Return a function that runs a command line in this process; it returns the exit code, stdout and stderr."""
    for name in [one for one in os.environ if one.startswith(("DLAAS_", "ST_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DLAAS_HOME", str(service.home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["airflow-dlaas", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main()
        output = capsys.readouterr()
        return int(exit_info.value.code or 0), output.out, output.err

    return run


@pytest.fixture(scope="module")
def failed(service: ServiceProcess) -> str:
    """Return the id of a training that has failed, with a name that clears a terminal and a metric that is NaN."""
    with service.client() as client:
        customer = Customer(service, client)
        definition = customer.definition("echo 'epoch 1 loss: nan'; exit 3")
        definition["model_definition"]["name"] = NASTY_NAME
        definition["metric_definitions"] = [{"name": "loss", "regex": r"loss: (\S+)"}]
        training_id = client.send(calls.create_training(TrainingDefinition.parse(definition))).id
        assert customer.end(training_id).state is TrainingState.ERROR
        return training_id


CASES: list[tuple[str, dict[str, str], ExitCode, str]] = [
    # names and sources: before any connection is looked for
    ("upload {source} pets/x --home {none}", {}, ExitCode.FAILED, "belongs into --prefix. Write pets --prefix x"),
    ("download swift://c@pets/x {there} --prefix y --home {none}", {}, ExitCode.FAILED, "Write pets --prefix x/y"),
    ("upload {source} pets --prefix ../x --home {none}", {}, ExitCode.FAILED, "prefix: '../x' is not a folder"),
    ("upload {source} pets --include /x --home {none}", {}, ExitCode.FAILED, "include[0]: '/x' matches no file"),
    ("upload {source} pets --include *.csv --home {none}", {}, ExitCode.FAILED, "add --allow-empty"),
    ("upload {missing} pets --home {none}", {}, ExitCode.FAILED, "{missing}: there is no such file or folder"),
    ("upload {missing}* pets --home {none}", {}, ExitCode.FAILED, "{missing}* matches no file"),
    ("upload {source} pets --threads 0", {}, ExitCode.WRONG_USAGE, "--threads"),
    # the object store
    ("upload {source} pets --connection foo", {}, ExitCode.NOT_CONFIGURED, "no connection 'foo' to an object store in"),
    ("download pets {there} --connection foo", {}, ExitCode.NOT_CONFIGURED, "it has dlaas_s3, swift_default"),
    ("upload {source} pets --home {none}", {}, ExitCode.NOT_CONFIGURED, "no service has been started there"),
    ("upload {source} pets --home {none}", {"ST_AUTH": "{swift}"}, ExitCode.NOT_CONFIGURED, "ST_USER and ST_KEY must"),
    (
        "upload {source} pets --home {none}",
        {"ST_AUTH": "{swift}", "ST_USER": "dlaas:trainer", "ST_KEY": "wrong"},
        ExitCode.NOT_CONFIGURED,
        "rejects user 'dlaas:trainer' with this password",
    ),
    (
        "upload {source} pets --home {none}",
        {"ST_AUTH": "no-url", "ST_USER": "u", "ST_KEY": "k"},
        ExitCode.NOT_CONFIGURED,
        "(ST_AUTH, ST_USER and ST_KEY) is invalid: auth_url: must be an http:// or https:// URL",
    ),
    ("download no-such-container {there}", {}, ExitCode.FAILED, "There is no container 'no-such-container'"),
    # the service
    ("runs --home {none}", {}, ExitCode.NOT_CONFIGURED, "none has been started in {none}"),
    ("runs", {"DLAAS_ULR": "{url}"}, ExitCode.NOT_CONFIGURED, "did you mean DLAAS_URL?"),
    ("runs", {"DLAAS_URL": "http://other.invalid"}, ExitCode.NOT_CONFIGURED, "set DLAAS_USER and DLAAS_PASSWORD too"),
    (
        "runs",
        {"DLAAS_URL": "other", "DLAAS_USER": "u", "DLAAS_PASSWORD": "p"},
        ExitCode.NOT_CONFIGURED,
        "must begin with http:// or https://",
    ),
    ("runs", {"DLAAS_PASSWORD": "wrong"}, ExitCode.NOT_CONFIGURED, "The user or the password is wrong"),
    # trainings
    ("show training-nowhere12", {}, ExitCode.FAILED, "There is no training training-nowhere12"),
    ("logs training-nowhere12 --follow", {}, ExitCode.FAILED, "There is no training training-nowhere12"),
    ("cancel training-nowhere12", {}, ExitCode.FAILED, "There is no training training-nowhere12"),
    ("show ../x", {}, ExitCode.WRONG_USAGE, "is not the id of a training"),
    ("runs --state paused", {}, ExitCode.WRONG_USAGE, "'paused' is not one of 'pending'"),
    ("runs --limit 0", {}, ExitCode.WRONG_USAGE, "--limit"),
    ("runs --name no-such-name-{none}", {}, ExitCode.SUCCESS, "There is no such training"),
    ("submit {missing}", {}, ExitCode.FAILED, "{missing}: cannot be read: No such file"),
    ("submit {source}/a.txt", {}, ExitCode.FAILED, "a.txt: is not JSON"),
    (
        "submit {named} --home {none}",
        {},
        ExitCode.NOT_CONFIGURED,
        "training_data[0].connection: There is no connection",
    ),
    ("submit {named} --follow --json", {}, ExitCode.WRONG_USAGE, "use either --follow or --json"),
    ("submit {named} --key=", {}, ExitCode.WRONG_USAGE, "--key"),
    ("runtimes prepare cobol 1", {}, ExitCode.FAILED, "There is no cobol here; this service has"),
    ("users list", {}, ExitCode.NOT_CONFIGURED, "set DLAAS_USERS"),
    ("users remove x --file {missing}", {}, ExitCode.NOT_CONFIGURED, "airflow-dlaas users add NAME creates it"),
]


@pytest.mark.parametrize(
    ("line", "variables", "code", "words"), CASES, ids=[f"{line} {' '.join(given)}" for line, given, *_ in CASES]
)
def test_wrong_command_line_gives_an_exit_code_and_one_sentence(
    console: Console,
    service: ServiceProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    variables: dict[str, str],
    code: ExitCode,
    words: str,
) -> None:
    connections = service.connections()
    places = {name: str(tmp_path / name) for name in ("source", "none", "missing", "there", "named")}
    places |= {"url": connections["dlaas_default"]["host"], "swift": connections["swift_default"]["host"]}
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.txt").write_text("a")
    (tmp_path / "named").write_text(json.dumps({"training_data": [{"connection": "swift_default"}]}))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(**places))
    result, out, err = console(*(word.format(**places) for word in line.split()))
    one_line = " ".join(err.replace("│", " ").split())  # without the frame of an error of usage
    assert words.format(**places) in one_line, err
    assert (result, out) == (code, "")
    assert code is ExitCode.WRONG_USAGE or err.count("\n") == 1
    assert "Traceback" not in err
    assert not (tmp_path / "there").exists()


def test_service_that_does_not_answer_is_unavailable(
    console: Console, monkeypatch: pytest.MonkeyPatch, unused_url: str
) -> None:
    for name, value in {"DLAAS_URL": unused_url, "DLAAS_USER": "u", "DLAAS_PASSWORD": "p"}.items():
        monkeypatch.setenv(name, value)
    code, out, err = console("runs")
    assert (code, out) == (ExitCode.UNAVAILABLE, "")
    assert err.splitlines()[-1].startswith(f"airflow-dlaas: No response from {unused_url}")


@pytest.fixture
def unused_url(tmp_path: Path) -> str:
    """Return a URL at which no server listens: port 1 is reserved, and 127.9.9.9 is this machine only."""
    return "http://127.9.9.9:1"


def test_console_of_another_machine_needs_variables_only(
    console: Console, service: ServiceProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = service.connections()
    monkeypatch.setenv("DLAAS_HOME", str(tmp_path / "none"))
    for prefix, names, entry in (
        ("DLAAS", ("URL", "USER", "PASSWORD"), known["dlaas_default"]),
        ("ST", ("AUTH", "USER", "KEY"), known["swift_default"]),
    ):
        for name, key in zip(names, ("host", "login", "password"), strict=True):
            monkeypatch.setenv(f"{prefix}_{name}", entry[key])
    assert console("runs")[0] == ExitCode.SUCCESS
    (tmp_path / "a.txt").write_text("a")
    code, out, err = console("upload", str(tmp_path / "a.txt"), "from-elsewhere")
    assert (code, out) == (0, "1 files sent (1 bytes), 0 unchanged\n"), err


def test_dry_run_into_a_new_container_prints_the_plan_and_creates_nothing(console: Console, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc")
    for arguments in ([], ["--delete"]):
        code, out, err = console("upload", str(tmp_path / "a.txt"), "never-created", "--dry-run", *arguments)
        assert (code, err) == (0, "")
        assert out.splitlines() == [
            "container never-created would be created",
            "send    a.txt (3 bytes)",
            "1 files to send (3 bytes), 0 unchanged, 0 to delete",
        ]
    code, out, _ = console("upload", str(tmp_path / "a.txt"), "never-created", "--dry-run", "--json")
    assert json.loads(out) == {
        "container": "never-created",
        "creates_container": True,
        "send": [{"name": "a.txt", "bytes": 3}],
        "delete": [],
        "bytes": 3,
        "unchanged": 0,
    }
    code, _, err = console("download", "never-created", str(tmp_path / "there"))
    assert (code, "There is no container 'never-created'" in err) == (ExitCode.FAILED, True)


def test_transfers_print_json(console: Console, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc")
    report = {"files": 1, "bytes": 3, "unchanged": 0, "deleted": 0, "result_folders": []}
    assert json.loads(console("upload", str(tmp_path / "a.txt"), "as-json", "--json")[1]) == report
    assert json.loads(console("download", "as-json", str(tmp_path / "there"), "--json")[1]) == report
    code, out, err = console("download", "as-json", str(tmp_path / "there"), "--prefix", "nothing", "--json")
    assert (code, out) == (ExitCode.FAILED, "")
    assert "nothing under 'nothing' in container 'as-json'. If that may be so, add --allow-empty" in err


def test_failed_training_is_shown_without_its_escapes(console: Console, failed: str) -> None:
    _, listed, _ = console("runs", "--name", NASTY_NAME, "--state", "error")
    [row] = [line for line in listed.splitlines() if line.startswith(failed)]
    assert r"a\x1b[2Jb" in row
    _, shown, _ = console("show", failed)
    assert "\x1b" not in listed + shown
    assert "loss NaN" in shown
    assert "(C201)" in shown
    assert "phases     queued" in shown


def test_json_of_a_training_is_that_of_the_api_with_masked_secrets(
    console: Console, failed: str, service: ServiceProcess
) -> None:
    _, out, _ = console("show", failed, "--json")
    document = json.loads(out)
    assert document["metadata"]["guid"] == failed
    assert document["entity"]["model_definition"]["name"] == NASTY_NAME
    assert document["entity"]["training_data"][0]["connection"]["password"] == "********"
    assert document["entity"]["status"]["metrics"][0]["values"] == [{"name": "loss", "value": "NaN"}]
    assert service.connections()["swift_default"]["password"] not in out
    [listed] = json.loads(console("runs", "--name", NASTY_NAME, "--limit", "1", "--json")[1])["resources"]
    assert listed["entity"]["status"]["state"] == "error"
    assert listed["entity"]["model_definition"]["name"] == NASTY_NAME
    runtimes = json.loads(console("runtimes", "--json")[1])
    assert runtimes["gpus"] == 4
    assert {"framework", "version", "provides"} <= set(runtimes["resources"][0])


def test_exit_code_of_a_follow_is_that_of_the_training(console: Console, customer: Customer, failed: str) -> None:
    code, out, err = console("logs", "--follow", failed)
    assert code == ExitCode.TRAINING_FAILED
    assert "epoch 1 loss: nan" in out
    assert f"airflow-dlaas: {failed} failed after" in err
    assert "(C201)" in err
    assert console("logs", failed)[0] == ExitCode.SUCCESS
    canceled = customer.submit("sleep 600")
    customer.running(canceled)
    code, out, _ = console("cancel", canceled)
    assert (code, out) == (0, f"{canceled} is being canceled: its command has 30 seconds to save its state\n")
    code, _, err = console("logs", "-f", canceled)
    assert (code, f"{canceled} was canceled" in err) == (ExitCode.TRAINING_CANCELED, True)
    assert console("cancel", canceled)[:2] == (0, f"{canceled} has ended: canceled\n")
    assert json.loads(console("cancel", canceled, "--json")[1])["entity"]["status"]["state"] == "canceled"


@pytest.mark.parametrize(("command", "code"), [("echo seen", ExitCode.SUCCESS), ("exit 5", ExitCode.TRAINING_FAILED)])
def test_submit_with_follow_prints_id_and_log(
    console: Console, customer: Customer, tmp_path: Path, command: str, code: ExitCode
) -> None:
    (tmp_path / "definition.json").write_text(json.dumps(customer.definition(command)))
    result, out, err = console("submit", "--follow", str(tmp_path / "definition.json"))
    training_id = out.splitlines()[0]
    assert result == code, err
    assert customer.training(training_id).state.is_final
    assert code is not ExitCode.SUCCESS or (out.endswith("\nseen\n") and f"{training_id} completed after" in err)


def test_interrupt_ends_the_command_and_not_the_training(customer: Customer) -> None:
    training_id = customer.submit(f"echo begun; {GATE}")
    process = subprocess.Popen(
        [*CONSOLE, "logs", "--follow", training_id],
        env=customer.service.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        while "begun" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert f"{training_id} is not canceled, it goes on. `airflow-dlaas logs --follow {training_id}`" in err
    assert f"`airflow-dlaas cancel {training_id}`" in err
    assert "Traceback" not in err
    customer.open_gate(customer.running(training_id))
    assert customer.end(training_id).state is TrainingState.COMPLETED


def run_process(service: ServiceProcess, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    variables = options.pop("variables", {})
    return subprocess.run(
        [*CONSOLE, *arguments],
        env=service.environment | variables,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
        **options,
    )


def test_reader_that_has_ended_ends_the_command_without_a_message(service: ServiceProcess, failed: str) -> None:
    for arguments in (["runs"], ["runs", "--json"], ["logs", failed]):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = run_process(service, *arguments, stdout=writer)
        finally:
            os.close(writer)
        assert (done.returncode, done.stderr) == (ExitCode.OUTPUT_CLOSED, b"")


def test_full_disk_of_the_output_is_one_sentence(service: ServiceProcess, failed: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run_process(service, "logs", failed, stdout=full)
    assert done.returncode == ExitCode.FAILED
    assert done.stderr == b"airflow-dlaas: The output cannot be written: No space left on device\n"


def test_characters_that_the_encoding_does_not_have_are_escaped(service: ServiceProcess, tmp_path: Path) -> None:
    (tmp_path / "日本").write_text("x")
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    arguments = ["upload", str(tmp_path), "ascii", "--dry-run"]
    done = run_process(service, *arguments, stdout=subprocess.PIPE, variables=ascii_only)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"send    \u65e5\u672c (1 bytes)" in done.stdout
    done = run_process(service, *arguments, "--json", stdout=subprocess.PIPE, variables=ascii_only)
    assert json.loads(done.stdout)["send"] == [{"name": "日本", "bytes": 1}]


@pytest.mark.parametrize("columns", [80, 40])
def test_narrow_terminal_shows_whole_ids_and_no_escapes_of_names(
    service: ServiceProcess, failed: str, columns: int
) -> None:
    controller, terminal = pty.openpty()
    try:
        variables = {"COLUMNS": str(columns), "TERM": "xterm"}
        done = run_process(service, "runs", "--name", NASTY_NAME, stdout=terminal, variables=variables)
        printed = re.sub(r"\x1b\[[0-9;]*m", "", os.read(controller, 65536).decode())  # without colours
    finally:
        os.close(terminal)
        os.close(controller)
    assert done.returncode == 0, done.stderr
    lines = printed.splitlines()
    [row] = [line for line in lines if failed in line]
    assert row.startswith(f"{failed} a\\x1b[2")
    assert "\x1b" not in printed
    assert columns < 80 or (r"a\x1b[2Jb" in row and max(map(len, lines)) <= columns)


BASH_COMPLETION = """
eval "$(airflow-dlaas --show-completion bash)"
complete -p airflow-dlaas
COMP_WORDS=(airflow-dlaas runs --state c) COMP_CWORD=3
_airflow_dlaas_completion airflow-dlaas
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes_commands_and_values(tmp_path: Path) -> None:
    script = tmp_path / "airflow-dlaas"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m airflow_dlaas.cli "$@"\n')
    script.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", BASH_COMPLETION],
        env=os.environ
        | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    complete, *replies = done.stdout.splitlines()
    assert complete == "complete -o default -F _airflow_dlaas_completion airflow-dlaas", done.stderr
    assert replies == ["completed", "canceled"]
