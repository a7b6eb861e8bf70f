"""The file with a command's variables in a container."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.runtimes.container_environment import environment_script, write_environment_file
from airflow_dlaas.service.runtimes.container_run import RUN_COMMAND

VALUES = {
    "PLAIN": "a",
    "EMPTY": "",
    "LINES": "one\n two\n\n",
    "QUOTES": """it's "$HOME" `id` \\n""",
    "UNICODE": "Grüße",
    "BYTES": "\udcff",
    "UID": "5",
}


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_shell_exports_every_value_as_it_is(tmp_path: Path, shell: str) -> None:
    """A variable that the shell owns, UID, does not keep the command from running."""
    file = tmp_path / "environment"
    write_environment_file(file, environment_script({**VALUES, "LEFT": "out"}, without={"LEFT"}))
    options = ["--posix"] if shell.endswith("bash") else []  # as a bash that is /bin/sh
    line = [shell, *options, "-c", RUN_COMMAND, str(file), "env", "-0"]
    found = subprocess.run(line, env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
    assert found.stderr == b""
    variables = dict(one.split("=", 1) for one in found.stdout.decode(errors="surrogateescape").split("\0") if one)
    assert {name: variables.get(name) for name in VALUES if name != "UID"} == {
        name: value for name, value in VALUES.items() if name != "UID"
    }
    assert "LEFT" not in variables


def test_file_is_private_and_replaces_what_the_command_may_have_put_there(tmp_path: Path) -> None:
    target, file = tmp_path / "target", tmp_path / "environment"
    target.write_text("kept")
    file.symlink_to(target)
    write_environment_file(file, "export A=1\n")
    assert (file.stat().st_mode & 0o777, file.read_text(), target.read_text()) == (0o600, "export A=1\n", "kept")


def test_name_that_no_shell_can_export_is_refused() -> None:
    with pytest.raises(HostError, match="'a-b' cannot be set in a container"):
        environment_script({"a-b": "1"})
