from __future__ import annotations

import subprocess
import sys

from airflow_dlaas.service.learner.usage import MIB, measure_usage, parse_gpu_usage

TABLE = "0, GPU-aaaa, 97, 10240, 81559\n1, GPU-bbbb, [N/A], 512, 81559\nNo devices were found\n"


def test_usage_of_reserved_gpus_by_index_or_uuid() -> None:
    first, second = parse_gpu_usage(TABLE, ["0", "GPU-bbbb"])
    assert (first.name, first.utilization, first.memory_used) == ("0", 97.0, 10240 * MIB)
    assert (second.name, second.utilization, second.memory_total) == ("GPU-bbbb", None, 81559 * MIB)
    assert parse_gpu_usage(TABLE, ["7"]) == ()


def test_memory_of_all_descendants_is_counted() -> None:
    before = measure_usage({}, []).memory_bytes or 0
    hold = "import sys; held = bytearray(64 << 20); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = measure_usage({}, []).memory_bytes or 0
        child.communicate()
    assert during - before > 64 << 20
