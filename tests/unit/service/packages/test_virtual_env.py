"""Small virtual environments on top of others, and what identifies the one below."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.packages.runtime_python import identify_runtime, inspect_python, write_placeholder_wheels
from airflow_dlaas.service.packages.virtual_env import add_pip, chain_virtual_env, make_virtual_env, read_prefix
from tests.wheels import make_runtime

BASE = Path(os.path.realpath(sys.executable)).parent


def chain(folder: Path, bin_folder: Path) -> Path:
    below = read_prefix(bin_folder)
    make_virtual_env(folder, below)
    chain_virtual_env(folder, below)
    return folder / "bin"


def output(*command: object) -> str:
    return subprocess.run([str(one) for one in command], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("head", ["#!{python}\n", "#!/bin/sh\n'''exec' \"$0\" \"$@\"\n' '''\n"])
def test_environment_sees_those_below_and_runs_their_scripts_also_after_a_move(tmp_path: Path, head: str) -> None:
    runtime = make_runtime(tmp_path / "runtime", low="1", high="1")
    script = runtime / "show"
    script.write_text(head.format(python=runtime / "python") + "import sys, low; print(sys.prefix, low.version)\n")
    script.chmod(0o755)
    middle = chain(tmp_path / "middle", runtime)
    chain(tmp_path / "made", middle)
    (tmp_path / "made").rename(tmp_path / "moved")
    assert output(tmp_path / "moved" / "bin" / "show") == f"{tmp_path / 'moved'} 1"


def test_own_package_hides_the_one_below(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path / "runtime", low="1")
    made = chain(tmp_path / "made", runtime)
    next((tmp_path / "made" / "lib").glob("*/site-packages")).joinpath("low.py").write_text("version = 'own'\n")
    assert output(made / "python", "-c", "import low; print(low.version)") == "own"


def test_base_installation_has_its_packages_and_no_copied_programs(tmp_path: Path) -> None:
    made = chain(tmp_path / "made", BASE)
    assert {one.name for one in made.iterdir()} == {"python", "python3", read_prefix(BASE).version}
    assert output(made / "python", "-c", "import sys; print(sys.prefix)") == str(tmp_path / "made")


def test_folder_without_a_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no installation of Python"):
        read_prefix(tmp_path)


def test_script_pip_prints_what_to_do_if_the_python_has_none(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path / "runtime")
    below = read_prefix(runtime)
    without = type(below)(below.bin_folder, "python3.0", str(tmp_path / "bin"), below.site_folder, False)
    make_virtual_env(tmp_path / "made", below)
    assert add_pip(tmp_path / "made", [without], tmp_path) == ()
    done = subprocess.run([tmp_path / "made" / "bin" / "pip", "install", "x"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "requirements.txt" in done.stderr


def test_identity_changes_with_the_packages(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path / "runtime", low="1")
    before = identify_runtime(runtime)
    assert identify_runtime(runtime) == before
    (next((tmp_path / "runtime" / "lib").glob("*/site-packages")) / "other-1.dist-info").mkdir()
    assert identify_runtime(runtime) != before
    assert json.loads(identify_runtime(BASE))[0] == str(BASE)


def test_placeholder_wheels_have_the_metadata_of_the_runtime(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path / "runtime", low="1+cpu")
    packages = inspect_python(runtime).packages
    assert [(one.name, one.version) for one in packages] == [("low", "1+cpu")]
    write_placeholder_wheels(packages, tmp_path / "wheels")
    assert [one.name for one in (tmp_path / "wheels").iterdir()] == ["low-1+cpu-py3-none-any.whl"]
