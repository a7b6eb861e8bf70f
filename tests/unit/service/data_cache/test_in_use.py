from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from airflow_dlaas.service.data_cache.in_use import UseFile, entries_in_use


def test_entries_are_in_use_until_the_file_is_closed(tmp_path: Path) -> None:
    one, two = UseFile(tmp_path), UseFile(tmp_path)
    one.add("s", {"a": 1})
    one.add("t", {"b": 2})
    two.add("s", {"a": 1, "c": 3})
    assert entries_in_use(tmp_path) == {("s", "a"): 1, ("t", "b"): 2, ("s", "c"): 3}
    one.close()
    assert entries_in_use(tmp_path) == {("s", "a"): 1, ("s", "c"): 3}
    two.close()
    assert entries_in_use(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_process_that_was_killed_uses_nothing(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from airflow_dlaas.service.data_cache.in_use import UseFile; "
        "UseFile(pathlib.Path(sys.argv[1])).add('s', {'a': 1}); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    assert entries_in_use(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
