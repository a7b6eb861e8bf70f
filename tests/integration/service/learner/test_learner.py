from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.job_files import read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from airflow_dlaas.service.runners import local
from tests.integration.service.learner.conftest import AWAIT_BEGUN, BEGUN, GATE, WAIT_TIMEOUT, Job

ROOT = Path(__file__).parents[4]


@pytest.fixture(params=["bubblewrap", "none"], autouse=True)
def way(request: pytest.FixtureRequest, job) -> str:
    """Each promise is kept in a sandbox as without one."""
    if request.param == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    job.isolation = request.param
    return job.isolation


def test_completed_training_has_all_results_stored(job, way):
    job.put("train/a.txt", b"1 2 3")
    command = (
        'cat "$DATA_DIR/train/a.txt" train/a.txt > "$RESULT_DIR/model-input" && mkdir "$RESULT_DIR/model" &&\n'
        'python3 main.py > "$RESULT_DIR/model/weights" && echo "Iter 5, loss= 0.5" && touch "$CHECKPOINT_DIR/last"'
    )
    ended = job.run(command)
    assert (ended.state, ended.exit_code, ended.reason, ended.stored) == (TrainingState.COMPLETED, 0, None, True)
    stored = job.stored()
    assert stored["model-input"] == b"1 2 31 2 3"
    assert stored["model/weights"] == b"hello\n"
    assert stored["checkpoints/last"] == b""
    assert stored["learner-1/training-log.txt"].decode().splitlines() == [
        f"[dlaas] {job.id} runs on the tests' own Python, no GPU (virtual slots: 1), isolation: "
        + {"bubblewrap": "bubblewrap", "none": "none (it is switched off)"}[way],
        "Iter 5, loss= 0.5",
    ]
    assert {"learner-1/load-data.log", "learner-1/load-model.log"} <= stored.keys()
    assert b"made-up-key-of-the-tests" not in b"".join(stored.values())
    metric = Metric.model_validate_json(job.folder.metrics.read_text())
    assert (metric.iteration, metric.values[0].name, metric.values[0].value) == (5, "loss", 0.5)


def test_finished_job_keeps_only_what_is_read_later(job):
    job.run("true")
    assert sorted(one.name for one in job.folder.path.iterdir()) == [
        "data.json",
        "exit.json",
        "log",
        "logs",
        "phase.json",
        "resources.json",
        "run.json",
        "spec.json",
    ]


def test_command_environment_is_a_whitelist_without_secrets(job):
    job.run(
        """python3 -c 'import json, os; print("ENV " + json.dumps(dict(os.environ)))' """
        """&& cat /proc/$PPID/environ | tr "\\0" "\\n" | sed "s/^/PARENT /"; ls "$JOB_STATE_DIR" """
    )
    log = job.folder.log.read_text()
    line = next(line for line in log.splitlines() if line.startswith("ENV "))
    assert set(json.loads(line.removeprefix("ENV "))) - {"PWD", "SHLVL", "_", "LC_CTYPE"} == {
        "ATTEMPT",
        "CHECKPOINT_DIR",
        "CUDA_VISIBLE_DEVICES",
        "DATA",
        "DATA_DIR",
        "GPU_COUNT",
        "HOME",
        "JOB_STATE_DIR",
        "LANG",
        "LEARNER_ID",
        "LOCAL_WORLD_SIZE",
        "LOG_DIR",
        "MASTER_ADDR",
        "MASTER_PORT",
        "MODEL_DIR",
        "NUM_LEARNERS",
        "PATH",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "RESULT_DIR",
        "TMPDIR",
        "TRAINING_COMMAND",
        "TRAINING_ID",
        "VIRTUAL_ENV",
    }
    assert "of-the-service" not in log
    assert "secrets.json" not in log


def test_failed_command_is_c201_and_its_log_is_stored(job):
    ended = job.run("echo before; exit 3")
    assert (ended.state, ended.exit_code, ended.code) == (TrainingState.ERROR, 3, "C201")
    assert ended.reason == "dl_job_failed: the command exited with 3"
    assert ended.stored
    assert job.stored()["learner-1/training-log.txt"].decode().splitlines()[1:] == [
        "before",
        "[dlaas] dl_job_failed: the command exited with 3",
    ]


def test_command_ended_by_a_signal_has_exit_code_128_plus_signal(job):
    assert job.run("kill -SEGV $$").exit_code == 139


def test_command_beyond_the_time_limit_is_stopped(job):
    job.prepare("sleep 1000", timeout=0.5)
    # Not by the command: how much it does in half a second is unknown.
    job.folder.subdirectory("results").mkdir()
    (job.folder.subdirectory("results") / "model").write_text("partial\n")
    job.runner.start(job.folder)
    ended = job.end()
    assert (ended.state, ended.code) == (TrainingState.ERROR, "C201")
    assert "after 0.5 seconds" in (ended.reason or "")
    assert job.stored()["model"] == b"partial\n"


def test_cancel_gives_the_command_time_to_save(job):
    handle = job.start("trap 'echo saved > $RESULT_DIR/model; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    job.wait(lambda: job.log_contains("ready"), "the command")
    assert job.phase() == "processing"
    job.runner.stop([handle], {handle: job.folder})
    ended = job.end()
    assert (ended.state, ended.exit_code, ended.code, ended.stored) == (TrainingState.CANCELED, 0, None, True)
    assert job.stored()["model"] == b"saved\n"


def test_cancel_gives_time_to_the_child_of_a_shell(job):
    """The shell itself ends of TERM at once; a sandbox must not go with it."""
    saves = (
        'import signal,sys,time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), print("saved"), sys.exit()))'
    )
    handle = job.start(f"python3 -c '{saves}; print(\"ready\"); time.sleep(1000)'; echo never")
    job.wait(lambda: job.log_contains("ready"), "the command")
    job.runner.stop([handle], {handle: job.folder})
    ended = job.end()
    assert (ended.state, ended.exit_code) == (TrainingState.CANCELED, 128 + signal.SIGTERM)
    lines = job.folder.log.read_text().splitlines()[1:]
    assert lines[:2] + lines[3:] == ["ready", "saved", "[dlaas] canceled while the command ran"]
    assert re.fullmatch(r"\[dlaas\] The command ended [1-9]\.\d seconds after SIGTERM; it had 30", lines[2])


def test_background_process_gets_sigterm_before_sigkill(job, monkeypatch):
    with_constants(job, monkeypatch, LEFTOVER_GRACE_PERIOD=60)
    job.run(f"(trap 'echo TERM; exit' TERM; echo ready; {BEGUN}; while :; do sleep 0.02; done) & {AWAIT_BEGUN}")
    *lines, last = [line for line in job.folder.log.read_text().splitlines()[1:] if line != "Terminated"]
    assert lines == ["ready", "TERM"]
    # Its `sleep` is a process of its own, which may be just running or not.
    ended = "Ended (1 process|2 processes) that the command had left running in the background: bash(, sleep)?"
    assert re.fullmatch(rf"\[dlaas\] {ended}", last)


def test_helper_that_ends_after_its_command_gets_no_signal(job, monkeypatch):
    """A helper that waits for the end of what it reads, as tee does."""
    with_constants(job, monkeypatch, LEFTOVER_EXIT_TIMEOUT=60)
    job.run("exec 3> >(trap 'echo interrupted' TERM; cat; echo all); echo text >&3")
    assert job.folder.log.read_text().splitlines()[1:] == ["text", "all"]


def test_log_ends_at_its_limit_and_the_command_continues(job):
    printing = "[print('x' * 99) for _ in range(500_000)]"
    metric = '{"values": {"auc": {"type": 3, "value": 0.5}}}'
    ended = job.run(
        f"python3 -c \"{printing}\" && echo '{metric}' > $LOG_DIR/evaluation-metrics.txt && touch $RESULT_DIR/done",
        log_limit=10_000,
    )
    assert ended.state is TrainingState.COMPLETED, job.logs()[-1000:]
    assert "done" in job.stored()
    log = job.stored()["learner-1/training-log.txt"].decode()
    assert log[9_900:].splitlines()[-1] == "[dlaas] The log ends here: the limit is 10000 bytes. The command continues"
    assert len(log) < 10_100
    assert Metric.model_validate_json(job.folder.metrics.read_text()).values[0].value == 0.5


def test_cancel_right_after_the_start_is_handled(job):
    handle = job.start("sleep 1000")
    job.runner.stop([handle], {handle: job.folder})
    assert job.end().state is TrainingState.CANCELED


def test_no_process_of_a_command_survives_it(job, way):
    """Neither a child in a session of its own, nor its orphaned grandchild that ignores TERM."""
    hidden = "import os,signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork() or time.sleep(1000)"
    begun = "open(os.environ['CHECKPOINT_DIR'] + '/begun', 'w')"
    ended = job.run(
        f'setsid python3 -c "{hidden}; {begun}; time.sleep(1000)" & echo $! > $RESULT_DIR/pid; '
        f"(setsid sleep 1001 &) ; {AWAIT_BEGUN}"
    )
    assert ended.state is TrainingState.COMPLETED
    pid = int(job.stored()["pid"])
    if way == "none":  # else it is a number of the sandbox's own
        assert not psutil.pid_exists(pid)
    assert job.id not in [one.info["environ"].get("TRAINING_ID") for one in _readable_processes()]


def test_second_learner_does_not_touch_a_claimed_job(job):
    job.start(f"echo ready; {GATE}")
    job.wait(lambda: job.log_contains("ready"), "the command")
    owner = job.folder.run.read_bytes()
    second = subprocess.run(
        [sys.executable, "-m", "airflow_dlaas.service.learner", str(job.folder.path)],
        capture_output=True,
        timeout=WAIT_TIMEOUT,
    )
    assert (second.returncode, second.stdout, second.stderr) == (0, b"", b"")
    assert job.folder.run.read_bytes() == owner
    job.open_gate()
    assert job.end().state is TrainingState.COMPLETED
    assert job.folder.log.read_text().count("ready") == 1


@pytest.mark.parametrize("broken", [b'{"training_data": "no', b"{}"])
def test_unreadable_secrets_are_removed(job, broken):
    job.prepare("true")
    job.folder.secrets.write_bytes(broken)
    job.folder.path.joinpath(".secrets.json.4711").write_text("what a service that was killed left behind")
    job.runner.start(job.folder)
    assert job.end().code == "S101"
    assert not list(job.folder.path.glob("*secrets*")) + list(job.folder.path.glob(".secrets*"))


def test_secrets_are_removed_before_the_command_runs(job):
    job.start("echo ready; sleep 1000")
    job.wait(lambda: job.log_contains("ready"), "the command")
    assert not job.folder.secrets.exists()
    for one in job.folder.path.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the learner writes marks aside and renames them meanwhile
            assert not one.is_file() or b"made-up-key-of-the-tests" not in one.read_bytes()


def test_killed_learner_leaves_no_exit_json(job):
    handle = job.start("echo ready; sleep 1000")
    job.wait(lambda: job.log_contains("ready"), "the command")
    mark = read_job_file(job.folder.run, ProcessIdentity)
    os.kill(mark.pid, signal.SIGKILL)
    try:
        job.wait(lambda: job.runner.poll({handle: job.folder})[handle].value == "gone", "the end")
        assert not job.folder.exit.exists()
    finally:
        job.runner.kill_leftovers(job.folder)  # the command, without a sandbox


def test_invalid_zip_is_c102_and_the_logs_are_stored(job):
    ended = job.run("true", code=b"\x1f\x8b no zip")
    assert (ended.state, ended.exit_code, ended.code, ended.stored) == (TrainingState.ERROR, None, "C102", True)
    assert ended.reason


def test_missing_data_container_is_s302_with_its_name(job):
    ended = job.run("true", containers=("no-such-container",))
    assert (ended.state, ended.code) == (TrainingState.ERROR, "S302")
    assert "no-such-container" in (ended.reason or "")


def test_refused_credentials_are_reported_without_retry(job):
    job.connection = job.connection.model_copy(update={"password": SecretStr("wrong-but-secret")})
    ended = job.run("true")
    assert (ended.state, ended.code, ended.stored) == (TrainingState.ERROR, "S302", False)
    assert "the results were not stored" in (ended.reason or "")
    assert "wrong-but-secret" not in job.logs() + (ended.reason or "")


def test_missing_runtime_is_s101(job, tmp_path):
    missing = str(tmp_path / "missing" / "bin")
    runtime = {"key": "x", "kind": "venv", "provides": "nothing", "python": missing}
    ended = job.run("true", runtime=runtime)
    assert (ended.state, ended.code, ended.stored) == (TrainingState.ERROR, "S101", True)
    assert missing in (ended.reason or "")


@pytest.mark.parametrize("missing", ["spec.json", "secrets.json"])
def test_incomplete_job_directory_ends_with_exit_json(job, missing):
    job.prepare("true")
    (job.folder.path / missing).unlink()
    job.runner.start(job.folder)
    ended = job.end()
    assert (ended.state, ended.code) == (TrainingState.ERROR, "S101")
    assert missing in (ended.reason or "")
    assert not job.folder.secrets.exists()


def test_unreachable_store_is_retried(job, own_swift):
    """The embedded store restarts with the service, and trainings continue."""
    login = own_swift.login
    job.connection = SwiftStoreConnection(auth_url=login.auth_url, user_id=login.user, password=SecretStr(login.key))
    job.put("a", b"1")
    own_swift.stop()
    job.start("cat a")
    log = job.folder.subdirectory("logs") / "load-data.log"
    job.wait(lambda: log.exists() and "Loading container" in log.read_text(), "the attempt")
    own_swift.start()
    ended = job.end()
    assert (ended.state, ended.stored) == (TrainingState.COMPLETED, True)


def test_several_containers_get_a_folder_each(job):
    other = f"other-{uuid.uuid4().hex[:8]}"
    job.put("a", b"1")
    job.put("b", b"2", other)
    job.run("cd $DATA_DIR; find . -type f | sort", containers=(job.container, other))
    assert set(job.folder.log.read_text().splitlines()[1:]) == {f"./{job.container}/a", f"./{other}/b"}


def test_results_of_earlier_trainings_are_not_downloaded(job):
    job.put("a", b"1")
    job.put("training-abcdefghi/model/big", b"2")
    job.put("training-abcdefghi/.dlaas-training", b"{}")
    job.put("training-set000001/b", b"3")
    job.run("ls -A $DATA_DIR")
    assert job.folder.log.read_text().splitlines()[1:] == ["a", "training-set000001"]
    assert b"2 objects in 1 folders: training-abcdefghi (2)" in job.stored()["learner-1/load-data.log"]


def test_results_are_stored_with_a_marker(job):
    job.put("a", b"1")
    job.run("mkdir $RESULT_DIR/model; echo > $RESULT_DIR/model/big; exit 1")
    assert json.loads(job.stored()[".dlaas-training"])["training_id"] == job.id


def test_marked_results_are_excluded_by_any_folder_name(job):
    """Also where this training's own results go to another container."""
    other = f"other-{uuid.uuid4().hex[:8]}"
    for name in ("b", "run+7/model/big", "run+7/.dlaas-training", "training-unmarked1/learner-1/training-log.txt"):
        job.put(name, b"2", other)
    job.run("cd $DATA_DIR; find . -type f", containers=(other,))
    assert job.folder.log.read_text().splitlines()[1:] == ["./b"]


def test_code_file_hides_a_data_file_of_the_same_name(job):
    job.put("main.py", b"raise SystemExit(9)")
    assert job.run("python3 main.py").exit_code == 0


def test_cancel_stops_the_creation_of_an_environment(job, tmp_path):
    """The package index here takes a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = tmp_path / "uv.toml"
        index.write_text(f'index-url = "http://127.0.0.1:{silent.getsockname()[1]}/simple"\n')
        runtime = {"key": "x", "kind": "uv", "provides": "never", "requirements": ["a-package-that-does-not-exist"]}
        # uv itself never gives up: an end that comes at all is the cancel's.
        given = {"UV_CONFIG_FILE": str(index), "PIP_CONFIG_FILE": os.devnull, "UV_HTTP_TIMEOUT": "86400"}
        job.runner = type(job.runner)({**os.environ, **given})
        handle = job.start("true", runtime=runtime)
        job.wait(lambda: job.phase() == "preparing" and job.log_contains("Making the environment"), "preparing")
        job.runner.stop([handle], {handle: job.folder})
        ended = job.end()
    assert (ended.state, ended.exit_code) == (TrainingState.CANCELED, None)
    assert not [one for one in (tmp_path / "environments").iterdir() if (one / "dlaas-environment.json").exists()]


def with_constants(job: Job, monkeypatch: pytest.MonkeyPatch, **constants: float) -> None:
    """Give the learner other *constants* of `command_process`, which hold on a slow machine too."""
    job.folder.path.with_name("constants.json").write_text(json.dumps(constants))
    monkeypatch.setattr(local, "LEARNER_MODULE", "tests.integration.service.learner.with_constants")
    job.runner = local.LocalRunner({**os.environ, "PYTHONPATH": str(ROOT)})


def _readable_processes() -> list[psutil.Process]:
    return [one for one in psutil.process_iter(["environ"]) if one.info["environ"]]


def test_missing_argument_prints_the_usage(tmp_path: Path):
    line = [sys.executable, "-m", "airflow_dlaas.service.learner"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=WAIT_TIMEOUT, cwd=tmp_path)
    assert done.returncode == 2
    assert "usage" in done.stderr
