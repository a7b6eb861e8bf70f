"""The history of resource usage as series."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.service.metrics.usage_series import read_usage_history

GPU = '{"name":"GPU-a","utilization":50.0,"memory_used":7,"memory_total":9}'


def lines(*figures: str) -> str:
    return "".join(f'{{"at":"1970-01-01T00:00:{second:02}.000Z",{one}}}\n' for second, one in enumerate(figures))


def test_series_have_a_unit_a_device_and_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_text(
        lines('"memory_bytes":5,"cpu_percent":1.5', f'"memory_bytes":6,"gpus":[{GPU}]', '"cpu_percent":"NaN"')
    )
    history = read_usage_history(path, 400, complete=True)
    assert history.complete
    assert [(one.resource, one.unit, one.device, one.limit, one.points) for one in history.series] == [
        ("cpu", "percent", "", None, ((0.0, 1.5),)),
        ("memory", "bytes", "", None, ((0.0, 5.0), (1.0, 6.0))),
        ("gpu", "percent", "GPU-a", 100.0, ((1.0, 50.0),)),
        ("gpu_memory", "bytes", "GPU-a", 9.0, ((1.0, 7.0),)),
    ]


def test_peak_stays_in_a_downsampled_series(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_text(lines(*(f'"memory_bytes":{99 if second == 31 else second % 5}' for second in range(60))))
    (memory,) = read_usage_history(path, 10, complete=False).series
    assert len(memory.points) <= 10
    assert (31.0, 99.0) in memory.points


def test_training_without_a_history_has_no_series(tmp_path: Path) -> None:
    assert read_usage_history(tmp_path / "missing", 10, complete=True).series == ()
