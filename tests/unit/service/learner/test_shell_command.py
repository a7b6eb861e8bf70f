from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from airflow_dlaas.service.learner.shell_command import container_argv, is_script, normalize_command, shell_argv


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("python3 a.py --x", "python3 a.py --x"),
        ("  python3 a.py\n", "python3 a.py"),
        ("python3 a.py \n  --x 1\n\n--y 2\n", "python3 a.py    --x 1 --y 2"),
        ("python3 a.py\\\n  --x 1 \\\n  --y", "python3 a.py   --x 1    --y"),
        ("python3 a.py \\\\\n--x", "python3 a.py \\\\ --x"),
        ("python3 a.py \\ \r\n--x", "python3 a.py  --x"),
        ("echo \\", "echo \\"),
    ],
)
def test_lines_that_begin_with_a_dash_are_joined(command: str, text: str) -> None:
    assert not is_script(command)
    assert normalize_command(command) == text
    assert shell_argv(command)[1:] == ["-c", text]


@pytest.mark.parametrize("command", ["a\nb", "# a\nb\n", "\n\na\n  -x\nb", "cat <<'E'\n- a\n\n  - b\nE", "a\x0bb\n c"])
def test_other_lines_are_a_script_and_stay(command: str) -> None:
    assert is_script(command)
    assert normalize_command(command) == command
    assert shell_argv(command)[1:] == ["-e", "-c", command]
    assert normalize_command(command.replace("\n", "\r\n")) == command


@pytest.mark.parametrize("bash", [True, False])
def test_script_in_a_container_runs_with_bash_or_else_sh(tmp_path: Path, bash: bool) -> None:
    for name in ("sh", "bash") if bash else ("sh",):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    script = "echo \"${BASH_VERSION:+bash}$((1 + 1)) '$1'\"\nfalse\necho never"
    done = subprocess.run(
        container_argv(script), env={"PATH": os.fspath(tmp_path)}, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (1, "bash2 ''\n" if bash else "2 ''\n")
