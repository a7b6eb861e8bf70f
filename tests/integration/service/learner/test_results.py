"""Files that can be stored are stored, the others are named, and exit code and log are kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.data_manifest import MANIFEST_BASENAME
from airflow_dlaas.contract.results import MARKER_BASENAME, is_internal
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.service.job_files import read_job_file
from airflow_dlaas.service.job_reports import ExitIfLostFile, ProcessIdentity
from airflow_dlaas.service.process.process_info import identify

MODEL = "mkdir $RESULT_DIR/model; echo weights > $RESULT_DIR/model/w; "

LEFT = {
    "links": {
        "a link loop": ("ln -s loop $RESULT_DIR/loop", "loop: a broken link (Too many levels"),
        "two links in a loop": ("cd $RESULT_DIR; ln -s b a; ln -s a b", "a: a broken link"),
        "a folder in itself": ("ln -s . $RESULT_DIR/model/self", "model/self: a link to a folder that contains it"),
        "a folder above": ("ln -s $RESULT_DIR $RESULT_DIR/model/up", "model/up: a link to a folder that contains it"),
        "a dangling link": ("ln -s nowhere $RESULT_DIR/dangling", "dangling: a broken link (No such file"),
        "a link out": ("ln -s /etc/passwd $RESULT_DIR/stolen", "stolen: a link out of the training's folders"),
        "a link to a folder outside": ("ln -s /etc $RESULT_DIR/etc", "etc: a link out of the training's folders"),
        "a link to the job's marks": ("ln -s ../spec.json $RESULT_DIR/mark", "mark: a link "),
        "a link through another": (
            "ln -s /etc $CHECKPOINT_DIR/e; ln -s $CHECKPOINT_DIR/e/passwd $RESULT_DIR/p",
            "p: a link out of the training's folders",
        ),
        "all training data": ("ln -s $DATA_DIR $RESULT_DIR/data", "data: a link to training data"),
    },
    "names": {
        "no UTF-8": ("touch $RESULT_DIR/$(printf 'caf\\351.bin')", "caf\\xe9.bin: its name is not UTF-8"),
        "a folder of no UTF-8": (
            "mkdir $RESULT_DIR/$(printf 'd\\377'); touch $RESULT_DIR/$(printf 'd\\377')/x",
            "d\\xff: its name is not UTF-8, nothing in this folder is stored",
        ),
        "a long name": (
            "cd $RESULT_DIR; name=$(printf '%0250d' 7); for i in 1 2 3 4 5; do mkdir $name; cd $name; done; touch x",
            "and an object store permits ",
        ),
        "a name over lines": (
            "mkdir $RESULT_DIR/$'a\\nb'; ln -s x $RESULT_DIR/$'a\\nb'/l",
            "a\\nb/l: a broken link",
        ),
        "a log of that name": (
            "echo forged > $LOG_DIR/training-log.txt",
            "learner-1/training-log.txt: another file is stored under that name",
        ),
        "a file in a folder's place": (
            "touch $RESULT_DIR/checkpoints; touch $CHECKPOINT_DIR/x",
            "checkpoints: a folder has the same name",
        ),
    },
    "kinds": {
        "a pipe": ("mkfifo $RESULT_DIR/pipe", "pipe: a pipe"),
        "a socket": (
            "cd $RESULT_DIR; python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('s')\"",
            "s: a socket",
        ),
        "a log that is a pipe": ("mkfifo $LOG_DIR/store-results.log", "learner-1/store-results.log: a pipe"),
        "metrics that are a pipe": (
            "mkfifo $LOG_DIR/evaluation-metrics.txt",
            "learner-1/evaluation-metrics.txt: a pipe",
        ),
    },
}
"""Commands, each with a part of the warning about its file; one training for each group."""


@pytest.fixture(params=["bubblewrap", "none"], autouse=True)
def isolation(request: pytest.FixtureRequest, job) -> str:
    if request.param == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    job.isolation = request.param
    return job.isolation


@pytest.mark.parametrize("group", LEFT)
def test_unstorable_file_is_named_and_others_are_stored(job, group):
    commands = "".join(f"({command}); " for command, _ in LEFT[group].values())
    ended = job.run(f"{MODEL} {commands}")
    assert (ended.state, ended.exit_code, ended.code, ended.reason) == (TrainingState.COMPLETED, 0, None, None)
    for name, (_, warning) in LEFT[group].items():
        assert [one for one in ended.warnings if warning in one], f"{name} is not among {ended.warnings}"
    stored = job.stored()
    assert stored["model/w"] == b"weights\n"
    log = stored["learner-1/training-log.txt"].decode()
    assert all(f"[dlaas] {one}\n" in log for one in ended.warnings)
    assert not [one for one in stored.values() if b"root:" in one]


def test_unstorable_results_keep_exit_code_and_log(job):
    ended = job.run(f"{MODEL} ln -s loop $RESULT_DIR/loop; echo last words; exit 7")
    assert (ended.state, ended.exit_code, ended.code) == (TrainingState.ERROR, 7, "C201")
    assert b"last words" in job.stored()["learner-1/training-log.txt"]


def test_internal_links_are_stored_as_their_targets(job, isolation):
    job.put("vocabulary.txt", b"words")
    tmp = "$TMPDIR" if isolation == "none" else "/tmp"
    job.run(
        "mkdir -p $CHECKPOINT_DIR/100/deep $RESULT_DIR/a $RESULT_DIR/b; echo x > $CHECKPOINT_DIR/100/deep/x; "
        "ln -s $CHECKPOINT_DIR/100 $RESULT_DIR/latest; ln -s ../latest/deep $RESULT_DIR/a/deep; "
        "ln -s ../a $RESULT_DIR/b/a; ln -s ../b $RESULT_DIR/a/b; "
        "touch $RESULT_DIR/a/f; ln $RESULT_DIR/a/f $RESULT_DIR/hard; "
        f"echo t > {tmp}/t; ln -s {tmp}/t $RESULT_DIR/t; ln -s $DATA_DIR/vocabulary.txt $RESULT_DIR/v; "
        "ln -s $MODEL_DIR $RESULT_DIR/code; mkdir $RESULT_DIR/empty; : > $RESULT_DIR/zero"
    )
    stored = job.stored()
    assert stored.pop(MANIFEST_BASENAME)
    results = {name for name in stored if not name.startswith("learner-1/") and not is_internal(f"{job.id}/{name}")}
    assert results == {
        *("latest/deep/x", "checkpoints/100/deep/x", "a/deep/x", "b/a/deep/x", "a/f", "b/a/f", "hard", "t", "v"),
        *("code/main.py", "zero"),
    }
    assert (stored["t"], stored["v"], stored["zero"], stored["b/a/deep/x"]) == (b"t\n", b"words", b"", b"x\n")


NAMES = ["a b", "tab\there", "new\nline", "bell\a", "trailing.", "back\\slash", "ü-Ö", "50%?#&+", "~", "-rf", "a" * 255]


def test_any_utf_8_name_is_stored(job, zipped):
    code = f"import os\nfor name in {NAMES!r}: open(os.environ['RESULT_DIR'] + '/' + name, 'w').write(name)"
    ended = job.run("python3 main.py", code=zipped({"main.py": code}))
    assert (ended.state, ended.warnings) == (TrainingState.COMPLETED, ())
    stored = {
        name: text
        for name, text in job.stored().items()
        if not name.startswith("learner-1/") and name not in {MARKER_BASENAME, MANIFEST_BASENAME}
    }
    assert stored == {name: name.encode() for name in NAMES}


def test_very_deep_folder_is_skipped_and_removed(job, zipped):
    code = "import os\nos.chdir(os.environ['RESULT_DIR'])\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    try:
        ended = job.run(f"{MODEL} python3 main.py", code=zipped({"main.py": code}))
        assert ended.state is TrainingState.COMPLETED
        assert "model/w" in job.stored()
        assert [one for one in ended.warnings if "and an object store permits" in one]
    finally:
        # What is left after a failure must not stay: pytest's own cleaning of its folders fails on it in later runs.
        subprocess.run(["rm", "-rf", job.folder.path], check=True)


@pytest.mark.parametrize("isolation", ["none"], indirect=True)
@pytest.mark.parametrize(
    ("command", "stored"),
    [
        ("rm -r $RESULT_DIR $LOG_DIR $CHECKPOINT_DIR", set()),
        ("rm -r $RESULT_DIR; echo w > $RESULT_DIR", {"results"}),
        ("rm -r $LOG_DIR; echo w > $LOG_DIR", {"learner-1/logs"}),
        ("touch $CHECKPOINT_DIR/c; rm -r $RESULT_DIR; ln -s $CHECKPOINT_DIR $RESULT_DIR", {"c", "checkpoints/c"}),
        ("rm -r $RESULT_DIR; ln -s /etc $RESULT_DIR", set()),
        ("rm -r $LOG_DIR; ln -s /etc $LOG_DIR", set()),
        ("rm -r $LOG_DIR; mkfifo $LOG_DIR; mkdir $JOB_STATE_DIR/exit.json", set()),
        ("chmod 0 $RESULT_DIR; chmod 0 $JOB_STATE_DIR", set()),
    ],
)
def test_removed_or_replaced_folders_keep_exit_code_and_log(job, command, stored):
    """Without a sandbox: in one, the folders are mounts that can be neither removed nor replaced."""
    ended = job.run(f"echo words; {command}; exit 3")
    assert (ended.state, ended.exit_code) == (TrainingState.ERROR, 3)
    found = job.stored()
    assert b"words" in found.pop("learner-1/training-log.txt")
    assert found.pop(MARKER_BASENAME)
    assert found.pop(MANIFEST_BASENAME)
    assert {one for one in found if not one.endswith(("-data.log", "-model.log", "-results.log"))} == stored


def test_files_without_read_permission_are_stored(job):
    job.run("mkdir $RESULT_DIR/m; echo w > $RESULT_DIR/m/w; chmod 000 $RESULT_DIR/m/w $RESULT_DIR/m")
    assert job.stored()["m/w"] == b"w\n"


def test_link_in_place_of_a_log_is_not_followed(job, tmp_path):
    (tmp_path / "victim").write_text("untouched")
    job.run(f"ln -sf {tmp_path}/victim $LOG_DIR/store-results.log; ln -s {os.devnull} $LOG_DIR/evaluation-metrics.txt")
    assert (tmp_path / "victim").read_text() == "untouched"


BROKEN = """
from airflow_dlaas.service.learner import __main__, {1}

def {0}(*_arguments, **_named):
    raise KeyError("a bug")

{1}.{0} = {0}
__main__.main()
"""


@pytest.mark.parametrize(
    ("step", "module", "command", "ends"),
    [
        ("upload_results", "job_storage", "exit 3", (TrainingState.ERROR, 3, "C201")),
        ("upload_results", "job_storage", "true", (TrainingState.ERROR, 0, "S303")),
        ("upload_logs", "job_storage", "true", (TrainingState.COMPLETED, 0, None)),
        ("run_supervised", "run_command", "true", (TrainingState.ERROR, None, "S101")),
    ],
)
def test_internal_error_keeps_exit_code_and_log(job, step, module, command, ends):
    job.prepare(f"{MODEL} echo words; {command}")
    program = BROKEN.format(step, module)
    done = subprocess.run([sys.executable, "-c", program, job.folder.path], capture_output=True, text=True, timeout=240)
    ended = job.end()
    assert (ended.state, ended.exit_code, ended.code) == ends
    assert "KeyError" in done.stderr
    stored = job.stored()
    assert ("model/w" in stored) == (step == "upload_logs")
    if step == "upload_logs":
        assert ended.warnings == ("the logs were not stored: internal error in the learner (KeyError)",)
    else:
        assert f"[dlaas] {ended.reason}".encode() in stored["learner-1/training-log.txt"]
        assert ended.stored


@pytest.mark.parametrize(("command", "exit_code", "code"), [("true", 0, "S303"), ("exit 3", 3, "C201")])
def test_learner_killed_while_storing_keeps_the_exit_code(job, own_swift, command, exit_code, code):
    login = own_swift.login
    job.connection = SwiftStoreConnection(auth_url=login.auth_url, user_id=login.user, password=SecretStr(login.key))
    job.put("a", b"1")
    job.start(f"echo ready; until test -e go; do sleep 0.02; done; {command}")
    job.wait(lambda: job.log_contains("ready"), "the command")
    own_swift.stop()
    (job.folder.subdirectory("code") / "go").touch()
    storing = job.folder.subdirectory("logs") / "store-results.log"
    job.wait(lambda: storing.exists() and "retrying in" in storing.read_text(), "the attempt to store")
    learner = read_job_file(job.folder.run, ProcessIdentity)
    assert learner is not None
    os.kill(learner.pid, signal.SIGKILL)
    job.wait(lambda: identify(learner.pid) != learner, "the learner's end")
    assert not job.folder.exit.exists()
    known = read_job_file(job.folder.exit_if_lost, ExitIfLostFile)
    assert known is not None
    assert (known.state, known.exit_code, known.code) == (TrainingState.ERROR, exit_code, code)
    assert "storing the results was interrupted" in (known.reason or "")


def test_results_are_stored_if_exit_if_lost_cannot_be_written(job):
    job.isolation = "none"
    ended = job.run("mkdir -p ../exit-if-lost.json/x; exit 3")
    assert (ended.state, ended.exit_code, ended.code) == (TrainingState.ERROR, 3, "C201")
    assert "exit-if-lost.json could not be written" in job.logs()
    assert "learner-1/training-log.txt" in job.stored()
