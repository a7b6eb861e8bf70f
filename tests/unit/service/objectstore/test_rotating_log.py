from __future__ import annotations

from airflow_dlaas.service.objectstore import rotating_log


def test_log_has_at_most_two_files_of_limited_size(tmp_path):
    path = tmp_path / "log"
    for number in range(100):
        rotating_log.append(path, f"line {number:04}\n".encode(), max_bytes=100)
    assert {file.name for file in tmp_path.iterdir()} == {"log", "log.1"}
    assert all(file.stat().st_size <= 110 for file in tmp_path.iterdir())
    assert rotating_log.tail(path, 1) == "line 0099"


def test_tail_of_a_missing_log_is_empty(tmp_path):
    assert rotating_log.tail(tmp_path / "none") == ""
