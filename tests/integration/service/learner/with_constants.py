"""The learner, with the constants of `command_process` that ``constants.json`` beside the job directory contains."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from airflow_dlaas.service.learner import command_process
from airflow_dlaas.service.learner.__main__ import main

if __name__ == "__main__":
    for name, value in json.loads(Path(sys.argv[1]).with_name("constants.json").read_text()).items():
        assert hasattr(command_process, name), name
        setattr(command_process, name, value)
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
