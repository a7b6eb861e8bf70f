"""``python -m airflow_dlaas.service.learner <job directory>``"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from airflow_dlaas.service.learner.lifecycle import run_job


def main() -> int:
    """Run one job. The exit code shows only whether the learner itself worked, not how the command ended."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m airflow_dlaas.service.learner <job directory>\n")
        return 2
    os.umask(0o027)
    try:
        run_job(Path(sys.argv[1]).absolute())
    except BaseException:  # noqa: BLE001  # printed here: `os._exit` below prints nothing
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Do not wait for threads that a cancellation left running.
    os._exit(code)
