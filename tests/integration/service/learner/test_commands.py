"""Commands of one and of several lines, run by the real learner."""

from __future__ import annotations

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.api.submit import MAX_COMMAND_BYTES

TRAIN = "import os, sys; print('TRAINED', sys.argv[1:], os.environ.get('LR', ''))"
"""``train.py`` of every row: prints its arguments and the variable LR."""

LINES = {
    "arguments": ("python3 train.py\n  --lr 0.1\n\n --epochs 3\n", "TRAINED ['--lr', '0.1', '--epochs', '3']"),
    "backslash": (
        "python3 train.py \\\n  --lr 0.1 \\\n  --epochs 3",
        "TRAINED ['--lr', '0.1', '--epochs', '3']",
    ),
    "comment": ("# install, then train\npython3 train.py", "TRAINED []"),
    "echo": ("echo preparing\npython3 train.py\n", "preparing TRAINED []"),
    "export": ("export LR=0.1\npython3 train.py", "TRAINED [] 0.1"),
    "heredoc": ("python3 - <<'EOF'\nprint('TRAINED from heredoc')\nEOF", "TRAINED from heredoc"),
    "if": ("if true\nthen\n  python3 train.py\nfi", "TRAINED []"),
    "set -e": ("set -e\npython3 train.py", "TRAINED []"),
    "pipefail": ("set -o pipefail\npython3 train.py | cat", "TRAINED []"),
    "backslash in a script": ("cd .\npython3 train.py \\\n  --lr 0.1", "TRAINED ['--lr', '0.1']"),
    "comment between arguments": ("python3 train.py \\\n  --lr 0.1\n# done", "TRAINED ['--lr', '0.1']"),
    "variables": ("LR=0.5\npython3 train.py ${LR} $((1 + 1))", "TRAINED ['0.5', '2']"),
    "a text of several lines": ("python3 train.py 'a\nb'\n", "TRAINED ['a\\nb']"),
    "CRLF in a script": ("export LR=0.1\r\npython3 train.py --x\r\n", "TRAINED ['--x'] 0.1"),
    "CRLF before arguments": ("python3 train.py\r\n  --lr 0.1\r\n", "TRAINED ['--lr', '0.1']"),
    "blank lines around": ("\n\n  python3 train.py --x\n\n", "TRAINED ['--x']"),
    "one line": ("false; python3 train.py ${LR:-none}", "TRAINED ['none']"),
}


@pytest.mark.parametrize(("command", "printed"), LINES.values(), ids=LINES)
def test_command_of_several_lines_runs_as_in_a_shell(job, zipped, command, printed):
    ended = job.run(command, code=zipped({"train.py": TRAIN}))
    assert (ended.state, ended.exit_code) == (TrainingState.COMPLETED, 0), job.logs()
    assert " ".join(job.folder.log.read_text().splitlines()[1:]).strip() == printed


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        ("python3 -c 'raise SystemExit(3)'\necho done", 3),
        ("missing-program\necho done", 127),
        ("true\nfalse || exit 5\necho done", 5),
        ("echo begun\n--lr 0.1\necho done", 127),
    ],
)
def test_script_ends_with_the_exit_code_of_its_first_failing_line(job, command, exit_code):
    ended = job.run(command)
    assert (ended.state, ended.exit_code, ended.code) == (TrainingState.ERROR, exit_code, "C201"), job.logs()
    assert "done" not in job.folder.log.read_text().splitlines()


def test_command_of_maximum_length_runs(job):
    command = "echo $(( ${#TRAINING_COMMAND} ))\n: "
    command += "x" * (MAX_COMMAND_BYTES - len(command))
    ended = job.run(command)
    assert ended.state is TrainingState.COMPLETED, job.logs()[-1000:]
    assert job.folder.log.read_text().splitlines()[1:] == [str(MAX_COMMAND_BYTES)]
