"""``python -m airflow_dlaas.service.learner <job folder>``"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from airflow_dlaas.service.learner.lifecycle import run_job


def main() -> int:
    """Own one job; the exit code tells only whether the learner itself went well."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m airflow_dlaas.service.learner <job folder>\n")
        return 2
    os.umask(0o027)
    try:
        run_job(Path(sys.argv[1]).absolute())
    except BaseException:  # noqa: BLE001  # written out here, since the process leaves by the shortest way
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that a cancel has left behind are not waited for.
    os._exit(code)
