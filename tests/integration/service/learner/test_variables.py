"""Variables and secrets of a definition: what the command gets, and where secrets are not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.job_files import read_job_file
from airflow_dlaas.service.job_reports import ExitFile, ProcessIdentity

TOKEN = "hf_Value-of-the-secret"


def start(job: Any, command: str, *, execution: dict[str, Any], **spec: Any) -> None:
    """Start the learner of a definition with the keys *execution*."""
    job.prepare(command, **spec)
    document = json.loads(job.folder.secrets.read_text())
    document["model_definition"]["execution"].update(execution)
    job.folder.secrets.write_text(json.dumps(document))
    job.runner.start(job.folder)


def run(job: Any, command: str, *, execution: dict[str, Any], **spec: Any) -> ExitFile:
    start(job, command, execution=execution, **spec)
    ended: ExitFile = job.end()
    return ended


@pytest.mark.parametrize("isolation", ["bubblewrap", "none"])
def test_command_gets_the_variables_of_its_definition(job, bubblewrap, isolation):
    job.isolation = isolation
    ended = run(
        job,
        'echo "$NOTE|$LANG|$DATA_DIR"; [ "$HF_TOKEN" = hf_Value-of-the-""secret ] && echo same',
        execution={"environment": {"NOTE": "two\nlines é", "LANG": "C"}, "secrets": {"HF_TOKEN": TOKEN}},
        secrets_without_isolation=isolation == "none",
    )
    assert ended.state is TrainingState.COMPLETED
    output = job.folder.log.read_text().split("\n", 1)[1]
    assert output == f"two\nlines é|C|{job.folder.path}/data\nsame\n"


def test_secret_is_in_no_file_and_in_no_other_process(job, bubblewrap):
    job.isolation = "bubblewrap"
    start(job, f"echo began; {GATE}; echo $HF_TOKEN > $RESULT_DIR/own", execution={"secrets": {"HF_TOKEN": TOKEN}})
    job.wait(lambda: job.log_contains("began"), "the command")
    mark = read_job_file(job.folder.run, ProcessIdentity)
    assert mark is not None
    learner = psutil.Process(mark.pid)
    bwrap, *_ = learner.children()
    for process in (learner, bwrap):
        assert TOKEN not in "\0".join([*process.cmdline(), *process.environ().values()])
    shell = next(one for one in learner.children(recursive=True) if one.name() == "bash")
    assert shell.environ()["HF_TOKEN"] == TOKEN  # the search works
    assert traces(job.folder.path) == []
    job.open_gate()
    job.end()
    assert job.stored()["own"].decode() == f"{TOKEN}\n"  # what the command writes is its own


def test_printed_secret_is_masked_in_log_metrics_and_results(job):
    lines = [
        "echo $HF_TOKEN",
        'for at in $(seq 0 21); do printf %s "${HF_TOKEN:at:1}"; sleep 0.01; done; echo',
        'printf %s "${HF_TOKEN:0:9}"; sleep 0.1; echo "${HF_TOKEN:9}"',
        r'printf "\r10%%"; printf "\r$HF_TOKEN"; sleep 0.1; printf "\r$HF_TOKEN 20%%\n"',
        'printf "user:$HF_TOKEN" | base64',
        'echo "{\\"values\\": {\\"$HF_TOKEN\\": {\\"value\\": 1.0}}}" > $LOG_DIR/evaluation-metrics.txt',
        "mkfifo $RESULT_DIR/$HF_TOKEN; sleep 1; exit 3",
    ]
    ended = run(job, "\n".join(lines), execution={"secrets": {"HF_TOKEN": TOKEN}}, secrets_without_isolation=True)
    assert ended.state is TrainingState.ERROR
    assert ended.exit_code == 3
    assert any("***" in one for one in ended.warnings)
    log = job.folder.log.read_text()
    assert log.count("***") >= 6
    assert "***" in job.folder.metrics.read_text()
    own = [one for one in traces(job.folder.path) if one.name != "evaluation-metrics.txt"]
    assert own == []
    stored = {name for name, content in job.stored().items() if TOKEN.encode() in content}
    assert stored <= {"learner-1/evaluation-metrics.txt"}


@pytest.mark.parametrize("kind", ["venv", "container"])
def test_secrets_without_isolation_end_the_training_before_the_command(job, kind):
    """Also those of a container: another training, without isolation, could read its variables."""
    runtime = {"key": "test", "kind": kind, "provides": "x", "python": str(Path(sys.executable).parent), "image": "i"}
    given = {"runtime": runtime, "isolation": "none"}
    ended = run(job, "touch $RESULT_DIR/ran", execution={"secrets": {"HF_TOKEN": TOKEN}}, **given)
    assert (ended.state, ended.code) == (TrainingState.ERROR, "S101")
    assert "Install bubblewrap" in (ended.reason or "")
    assert "DLAAS_SECRETS_WITHOUT_ISOLATION=yes" in (ended.reason or "")
    assert "ran" not in job.stored()


def test_library_that_a_definition_preloads_is_not_loaded_by_the_sandbox_itself(job, bubblewrap):
    """The loader of bwrap, outside of the sandbox, would report that it cannot preload this library."""
    job.isolation = "bubblewrap"
    ended = run(job, "echo ran", execution={"environment": {"LD_PRELOAD": "./missing.so"}})
    assert ended.state is TrainingState.COMPLETED
    reports = [line for line in job.folder.log.read_text().splitlines() if "missing.so" in line]
    assert len(reports) == 1  # of the command's shell


def traces(folder: Path) -> list[Path]:
    """Return the files below *folder* that contain the secret."""
    return [one for one in folder.rglob("*") if one.is_file() and TOKEN.encode() in one.read_bytes()]


GATE = "while [ ! -e $CHECKPOINT_DIR/gate ]; do sleep 0.05; done"
