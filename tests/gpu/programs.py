"""The programs that `check_gpu_machine` runs with PyTorch or in a sandbox. Each prints one line of JSON."""

from __future__ import annotations

DEVICES = """
import json, os, re
print(json.dumps(sorted(one for one in os.listdir("/dev") if re.fullmatch(r"nvidia(\\d+|ctl|-uvm.*|-caps)", one))))
"""

SHARED_MEMORY = """
import json, os
found = os.statvfs("/dev/shm")
print(json.dumps({"bytes": found.f_blocks * found.f_frsize, "writable": os.access("/dev/shm", os.W_OK)}))
"""

COMPUTE = """
import json, torch
available = torch.cuda.is_available()
if available:
    one = torch.ones(512, 512, device="cuda")
    assert float((one @ one)[0, 0]) == 512.0
print(json.dumps({
    "torch": torch.__version__,
    "cuda": torch.version.cuda,
    "available": available,
    "count": torch.cuda.device_count(),
    "name": torch.cuda.get_device_name(0) if available else None,
}))
"""

COMPUTE_FOR_LONG = """
import time, torch
one = torch.ones(8192, 8192, device="cuda")
until = time.monotonic() + 5
while time.monotonic() < until:  # nvidia-smi gives the mean of the last second
    two = one @ one
    torch.cuda.synchronize()
print("computing", flush=True)
while True:
    two = one @ one
    torch.cuda.synchronize()
"""

ALL_REDUCE = """
import json, os, subprocess, sys

if "RANK" not in os.environ:
    number = int(os.environ["LOCAL_WORLD_SIZE"])
    code = open("/proc/self/cmdline").read().split("\\0")[2]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(number)},
            stdout=subprocess.PIPE,
        )
        for rank in range(number)
    ]
    print(json.dumps([float(one.communicate()[0] or "nan") for one in started]))
    sys.exit(max(one.returncode != 0 for one in started))

import torch
import torch.distributed as dist

rank = int(os.environ["LOCAL_RANK"])
backend = os.environ.get("CHECK_BACKEND", "nccl")  # gloo tries this program without a GPU
if backend == "nccl":
    torch.cuda.set_device(rank)
dist.init_process_group(backend)
value = torch.tensor([float(rank)], device="cuda" if backend == "nccl" else "cpu")
dist.all_reduce(value)
print(float(value[0]))
dist.destroy_process_group()
"""
