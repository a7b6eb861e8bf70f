from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from airflow_dlaas.contract.training import GpuUsage, ResourceUsage
from airflow_dlaas.service.learner.usage import MIB, UsageMeter, parse_gpu_usage, record_usage
from airflow_dlaas.service.metrics.usage_series import read_usage_points
from tests.waiting import until

TABLE = "0, GPU-aaaa, 97, 10240, 81559\n1, GPU-bbbb, [N/A], 512, 81559\nNo devices were found\n"


def test_usage_of_reserved_gpus_by_index_or_uuid() -> None:
    first, second = parse_gpu_usage(TABLE, ["0", "GPU-bbbb"])
    assert (first.name, first.utilization, first.memory_used) == ("0", 97.0, 10240 * MIB)
    assert (second.name, second.utilization, second.memory_total) == ("GPU-bbbb", None, 81559 * MIB)
    assert parse_gpu_usage(TABLE, ["7"]) == ()


def test_slice_of_a_gpu_has_no_figures() -> None:
    assert parse_gpu_usage(TABLE, ["MIG-c6d4"]) == (GpuUsage(name="MIG-c6d4"),)


def test_memory_of_all_descendants_is_counted() -> None:
    before = UsageMeter([]).measure().memory_bytes or 0
    hold = "import sys; held = bytearray(64 << 20); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = UsageMeter([]).measure().memory_bytes or 0
        child.communicate()
    assert during - before > 64 << 20


def test_cpu_of_a_new_process_counts_from_its_start() -> None:
    work = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(1, flush=True); sys.stdin.read()"
    meter = UsageMeter([])
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        busy = meter.measure().cpu_percent
        idle = meter.measure().cpu_percent
        child.communicate()
    assert busy is not None
    assert idle is not None
    assert busy > idle


def test_short_command_has_a_history_which_stays(tmp_path: Path) -> None:
    current, history = tmp_path / "usage.json", tmp_path / "usage.jsonl"
    usages: list[ResourceUsage] = []
    with record_usage(current, history, [], usages.append):
        until(history.exists)
    assert not current.exists()
    assert usages
    assert {point.memory_bytes is not None for point in read_usage_points(history)} == {True}
