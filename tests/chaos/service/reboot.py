"""Makes the end of processes look like a restart of the machine: the recorded ones are of an earlier boot."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path


def pretend_reboot(home: Path, training_id: str) -> None:
    """Change the process identity of a training's learner to an earlier boot, with the pid of this process."""
    identity = {"pid": os.getpid(), "start_ticks": 4711, "boot_id": "11111111-2222-3333-4444-555555555555"}
    run = home / "jobs" / training_id / "run.json"
    if run.exists():
        run.write_text(json.dumps(identity))
    database = sqlite3.connect(home / "database.sqlite")
    with database:
        database.execute(
            "UPDATE trainings SET handle = ? WHERE id = ? AND handle IS NOT NULL",
            (f"local:{json.dumps(identity)}", training_id),
        )
    database.close()
